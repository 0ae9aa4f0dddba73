//! Manifests: what people write down, read once and trusted after.

mod env;
mod health_check;
mod launch;
mod probe;
mod secret;
mod secret_backend;
mod server;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use env::{EnvEntry, EnvSource};
pub use health_check::{Allow, HealthCheck};
pub use launch::{Launch, PackageRuntime, PullPolicy};
pub use probe::{ProbeLimits, ProbeManifest};
pub use secret::{SecretManifest, SecretText};
pub use secret_backend::{
    BackendConfig, EnvConfig, FileConfig, KeyRef, OpenBaoAuth, OpenBaoConfig, SecretBackendManifest,
};
pub use server::{
    OnUnhealthy, PROGRESS_DEADLINE_DEFAULT, PROTOCOL_VERSIONS, Resources, ServerManifest, Strategy,
    Transport, Volume,
};

use crate::FieldError;
use crate::mistakes::{Mistakes, refuse_nul};
use crate::reader::Reader;

/// What a manifest is about; the word of `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Where secrets are kept.
    SecretBackend,
    /// The values of one secret.
    Secret,
    /// A WebAssembly component that checks.
    Probe,
    /// What to run.
    Server,
}

impl Kind {
    /// All kinds, in the order in which they are best applied: what others refer to comes first.
    pub const ALL: [Self; 4] = [Self::SecretBackend, Self::Secret, Self::Probe, Self::Server];

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretBackend => "secretbackend",
            Self::Secret => "secret",
            Self::Probe => "probe",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A manifest of any kind. It serialises to the JSON that [`parse`] reads, without what is left at its
/// default.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Manifest {
    /// Where secrets are kept.
    SecretBackend(SecretBackendManifest),
    /// The values of one secret. Serialising it writes the values.
    Secret(SecretManifest),
    /// A WebAssembly component that checks.
    Probe(ProbeManifest),
    /// What to run. Boxed because it is several times the size of the others.
    Server(Box<ServerManifest>),
}

impl Manifest {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SecretBackend(_) => Kind::SecretBackend,
            Self::Secret(_) => Kind::Secret,
            Self::Probe(_) => Kind::Probe,
            Self::Server(_) => Kind::Server,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::SecretBackend(backend) => &backend.name,
            Self::Secret(secret) => &secret.name,
            Self::Probe(probe) => &probe.name,
            Self::Server(server) => &server.name,
        }
    }
}

/// What is known about a manifest from the place it came by.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The kind of the route; `kind` may be left out then and must match where given.
    pub kind: Option<Kind>,
    /// The name in the route; `name` may be left out then and must match where given.
    pub name: Option<String>,
    /// Put before each path of a mistake, such as `[2]` in a list.
    pub path: String,
}

impl Context {
    /// Of `PUT /<kind>s/{name}` and `PATCH`.
    pub fn named(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind: Some(kind), name: Some(name.into()), path: String::new() }
    }

    /// Of `POST /<kind>s`.
    pub fn of_kind(kind: Kind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }
}

/// Reads one manifest; every mistake of it at once where there is one.
pub fn parse(value: &Value, context: &Context) -> Result<Manifest, Vec<FieldError>> {
    let mistakes = Mistakes::default();
    let manifest = read(value, context, &mistakes);
    match manifest.filter(|_| mistakes.is_empty()) {
        Some(manifest) => Ok(manifest),
        None => Err(mistakes.into_list()),
    }
}

/// Reads the list of an apply; every mistake of all of them at once, and each object once only. The paths
/// begin with `[0]`, `[1]`, …
pub fn parse_list(values: &[Value]) -> Result<Vec<Manifest>, Vec<FieldError>> {
    let mistakes = Mistakes::default();
    let mut manifests = Vec::new();
    let mut seen = HashSet::new();
    for (index, value) in values.iter().enumerate() {
        let context = Context { path: format!("[{index}]"), ..Context::default() };
        let Some(manifest) = read(value, &context, &mistakes) else { continue };
        if !seen.insert((manifest.kind(), manifest.name().to_owned())) {
            let words = format!("{} {} stands in the list twice", manifest.kind(), manifest.name());
            mistakes.add(context.path, words);
        }
        manifests.push(manifest);
    }
    if mistakes.is_empty() { Ok(manifests) } else { Err(mistakes.into_list()) }
}

/// Reads a manifest out of a view: fields that are not known, such as those of a newer daemon, are let be.
pub(crate) fn parse_shown(value: &Value, kind: Kind) -> Result<Manifest, Vec<FieldError>> {
    let mistakes = Mistakes::lenient();
    match read(value, &Context::of_kind(kind), &mistakes).filter(|_| mistakes.is_empty()) {
        Some(manifest) => Ok(manifest),
        None => Err(mistakes.into_list()),
    }
}

fn read(value: &Value, context: &Context, mistakes: &Mistakes) -> Option<Manifest> {
    refuse_nul(value, &context.path, mistakes);
    let mut reader = Reader::new(value, context.path.clone(), mistakes)?;
    let kind = read_kind(&mut reader, context)?;
    let name = read_name(&mut reader, context);
    let manifest = match kind {
        Kind::Server => server::read(&mut reader, name).map(|server| Manifest::Server(Box::new(server))),
        Kind::Secret => Some(Manifest::Secret(secret::read(&mut reader, name))),
        Kind::SecretBackend => secret_backend::read(&mut reader, name).map(Manifest::SecretBackend),
        Kind::Probe => Some(Manifest::Probe(probe::read(&mut reader, name))),
    };
    reader.finish();
    manifest
}

fn read_kind(reader: &mut Reader<'_>, context: &Context) -> Option<Kind> {
    let words = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let is_given = reader.has("kind");
    let given = reader.word("kind", &words);
    match (given, context.kind) {
        (Some(given), Some(wanted)) if given != wanted => {
            reader.wrong("kind", format!("is {given}, but this is the place of a {wanted}"));
            None
        }
        (None, None) if !is_given => {
            reader.wrong("kind", "is missing, must be one of server, secret, secretbackend, probe");
            None
        }
        (None, Some(_)) if is_given => None,
        (given, wanted) => given.or(wanted),
    }
}

fn read_name(reader: &mut Reader<'_>, context: &Context) -> String {
    let Some(wanted) = &context.name else { return reader.required("name", &crate::text::NAME) };
    if let Some(complaint) = crate::text::NAME.complaint(wanted) {
        reader.wrong("name", format!("`{}` {complaint}", crate::text::shown(wanted)));
    }
    match reader.text("name", &crate::text::NAME) {
        Some(given) if given != *wanted => {
            reader.wrong("name", format!("is {given}, but the path says {}", crate::text::shown(wanted)));
        }
        _ => {}
    }
    wanted.clone()
}
