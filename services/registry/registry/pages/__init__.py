"""The public record over HTTP: documents for programs and pages for people, at the same addresses."""
