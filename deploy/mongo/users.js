// Run by the image once, on an empty volume: a user for each service that has a database, and for that one alone.
for (const service of ["issuer", "registry", "notifier"]) {
  const name = `laurel_${service}`;
  const password = process.env[`MONGO_${service.toUpperCase()}_PASSWORD`];
  if (!password) {
    throw new Error(`MONGO_${service.toUpperCase()}_PASSWORD is not set`);
  }
  db.getSiblingDB(name).createUser({ user: name, pwd: password, roles: [{ role: "readWrite", db: name }] });
}
