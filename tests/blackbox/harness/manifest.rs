//! Manifests that several tests apply.

use serde_json::{Value, json};

use super::dock::Dock;
use super::program::hostile_server;

/// A server that is the fixture in the mode that these words say, checked often by its tool `echo`.
pub(crate) fn hostile(name: &str, mode: &str) -> Value {
    let words = mode.split(' ').map(str::to_owned);
    let command: Vec<_> = std::iter::once(hostile_server().display().to_string()).chain(words).collect();
    json!({
        "kind": "server", "name": name, "command": command,
        "healthCheck": { "tool": "echo", "arguments": { "text": "hello" }, "intervalSeconds": 0.5, "timeoutSeconds": 2 },
    })
}

/// A server that is the static one in a container, checked often by its tool `whoami`, which needs a token.
pub(crate) fn contained(name: &str, dock: &Dock) -> Value {
    json!({
        "kind": "server", "name": name, "dockerImage": dock.image.name,
        "env": [{ "name": "TOKEN", "value": "a-token-of-no-secret" }],
        "healthCheck": { "tool": "whoami", "intervalSeconds": 0.5, "timeoutSeconds": 2 },
    })
}

/// `manifest` with one field set to something else.
pub(crate) fn with(mut manifest: Value, field: &str, value: Value) -> Value {
    manifest[field] = value;
    manifest
}

/// A secret with the one key `token`.
pub(crate) fn secret(name: &str, token: &str) -> Value {
    json!({ "kind": "secret", "name": name, "data": { "token": token } })
}

/// `env` with one variable that is the key `token` of a secret.
pub(crate) fn secret_env(variable: &str, secret: &str) -> Value {
    json!([{ "name": variable, "valueFrom": { "secretRef": { "name": secret, "key": "token" } } }])
}
