//! `kind: secretbackend`: where secrets are kept.

use serde::Serialize;

use crate::reader::Reader;
use crate::text;

const MOUNT_DEFAULT: &str = "secret";

/// A place where secrets are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretBackendManifest {
    /// A DNS label.
    pub name: String,
    /// What it is and how it is reached.
    #[serde(flatten)]
    pub config: BackendConfig,
}

/// What a backend is, and the settings of its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "config", rename_all = "lowercase")]
pub enum BackendConfig {
    /// Encrypted in mcpd's own database; it has no settings.
    Sealed,
    /// Variables of mcpd's environment.
    Env(EnvConfig),
    /// Files below a folder.
    File(FileConfig),
    /// An `OpenBao` or Vault server.
    OpenBao(Box<OpenBaoConfig>),
}

impl BackendConfig {
    /// The word of `type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::OpenBao(_) => "openbao",
        }
    }

    /// The secret it needs itself, where it does.
    pub fn needs(&self) -> Vec<&KeyRef> {
        match self {
            Self::OpenBao(config) => config.auth.needs(),
            _ => Vec::new(),
        }
    }
}

/// Settings of `type: env`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvConfig {
    /// Before every name; never empty, or all of mcpd's environment were readable.
    pub prefix: String,
}

/// Settings of `type: file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileConfig {
    /// Absolute path of the folder; one folder per secret, one file per key.
    pub path: String,
}

/// Settings of `type: openbao`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenBaoConfig {
    /// Base URL.
    pub url: String,
    /// Mount of the KV engine, version 2.
    pub mount: String,
    /// Put before the name of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How mcpd proves who it is.
    pub auth: OpenBaoAuth,
}

/// How mcpd proves to `OpenBao` who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum OpenBaoAuth {
    /// By a token.
    Token {
        /// Where the token is kept.
        token_secret_ref: KeyRef,
    },
    /// By a role and its secret.
    AppRole {
        /// Id of the role.
        role_id: String,
        /// Where the role's secret is kept.
        secret_id_secret_ref: KeyRef,
        /// Mount of the method; `None` is `approle`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mount: Option<String>,
    },
    /// By the service account of the pod.
    Kubernetes {
        /// The role.
        role: String,
        /// Mount of the method; `None` is `kubernetes`.
        #[serde(skip_serializing_if = "Option::is_none")]
        mount: Option<String>,
    },
}

impl OpenBaoAuth {
    fn needs(&self) -> Vec<&KeyRef> {
        match self {
            Self::Token { token_secret_ref } => vec![token_secret_ref],
            Self::AppRole { secret_id_secret_ref, .. } => vec![secret_id_secret_ref],
            Self::Kubernetes { .. } => Vec::new(),
        }
    }
}

/// A key of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRef {
    /// The secret.
    pub name: String,
    /// Its key.
    pub key: String,
}

#[derive(Clone, Copy)]
enum Type {
    Sealed,
    Env,
    File,
    OpenBao,
}

#[derive(Clone, Copy)]
enum Method {
    Token,
    AppRole,
    Kubernetes,
}

pub(super) fn read(reader: &mut Reader<'_>, name: String) -> Option<SecretBackendManifest> {
    let types =
        [("sealed", Type::Sealed), ("env", Type::Env), ("file", Type::File), ("openbao", Type::OpenBao)];
    if !reader.has("type") {
        reader.wrong("type", "is missing, must be one of sealed, env, file, openbao");
    }
    let kind = reader.word("type", &types);
    let has_config = reader.has("config");
    let Some(kind) = kind else {
        reader.any_object("config");
        return None;
    };
    let Some(mut config) = reader.nested("config") else {
        if !has_config && !matches!(kind, Type::Sealed) {
            reader.wrong("config", "is missing");
        }
        return matches!(kind, Type::Sealed)
            .then_some(SecretBackendManifest { name, config: BackendConfig::Sealed });
    };
    let read = read_config(&mut config, kind);
    config.finish();
    Some(SecretBackendManifest { name, config: read? })
}

fn read_config(reader: &mut Reader<'_>, kind: Type) -> Option<BackendConfig> {
    match kind {
        Type::Sealed => Some(BackendConfig::Sealed),
        Type::Env => {
            Some(BackendConfig::Env(EnvConfig { prefix: reader.required("prefix", &text::ENV_NAME) }))
        }
        Type::File => Some(BackendConfig::File(FileConfig { path: reader.required("path", &text::PATH) })),
        Type::OpenBao => read_openbao(reader).map(|config| BackendConfig::OpenBao(Box::new(config))),
    }
}

fn read_openbao(reader: &mut Reader<'_>) -> Option<OpenBaoConfig> {
    let url = reader.required("url", &text::URL);
    let mount = reader.filled("mount", &text::WORD).unwrap_or_else(|| MOUNT_DEFAULT.to_owned());
    let path_prefix = reader.filled("pathPrefix", &text::WORD);
    let namespace = reader.filled("namespace", &text::WORD);
    if !reader.has("auth") {
        reader.wrong("auth", "is missing");
    }
    let auth = reader.nested("auth").and_then(|mut auth| {
        let read = read_auth(&mut auth);
        auth.finish();
        read
    });
    Some(OpenBaoConfig { url, mount, path_prefix, namespace, auth: auth? })
}

fn read_auth(reader: &mut Reader<'_>) -> Option<OpenBaoAuth> {
    let methods =
        [("token", Method::Token), ("approle", Method::AppRole), ("kubernetes", Method::Kubernetes)];
    if !reader.has("method") {
        reader.wrong("method", "is missing, must be one of token, approle, kubernetes");
    }
    match reader.word("method", &methods)? {
        Method::Token => Some(OpenBaoAuth::Token { token_secret_ref: read_ref(reader, "tokenSecretRef")? }),
        Method::AppRole => {
            let role_id = reader.required("roleId", &text::WORD);
            let mount = reader.filled("mount", &text::WORD);
            let secret_id_secret_ref = read_ref(reader, "secretIdSecretRef")?;
            Some(OpenBaoAuth::AppRole { role_id, secret_id_secret_ref, mount })
        }
        Method::Kubernetes => {
            let role = reader.required("role", &text::WORD);
            Some(OpenBaoAuth::Kubernetes { role, mount: reader.filled("mount", &text::WORD) })
        }
    }
}

fn read_ref(reader: &mut Reader<'_>, field: &'static str) -> Option<KeyRef> {
    if !reader.has(field) {
        reader.wrong(field, "is missing");
    }
    let mut reference = reader.nested(field)?;
    let name = reference.required("name", &text::NAME);
    let key = reference.required("key", &text::SECRET_KEY);
    reference.finish();
    Some(KeyRef { name, key })
}
