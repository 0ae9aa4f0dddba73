//! What only the environment can get wrong.

use std::future::{Ready, ready};

use super::super::conformance::{Given, TOKEN, conformance};
use super::*;

fn config(prefix: &str) -> EnvConfig {
    EnvConfig { prefix: prefix.to_owned() }
}

fn given() -> Ready<Given> {
    let variables = [
        ("MCPD_SECRET_CREDS_TOKEN", TOKEN),
        ("MCPD_SECRET_CREDS_BLANK", ""),
        ("CREDS_OTHER", "not served"),
        ("MCPD_SECRET_CREDS_", "no key"),
    ];
    let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let backend = EnvBackend::new(config("MCPD_SECRET_"), environment).unwrap();
    ready(Given { backend: Box::new(backend), _guard: None })
}

conformance!(given);

#[test]
fn names_are_mapped_as_documented() {
    let name = |secret, key| variable_name("MCPD_SECRET_", secret, key);
    assert_eq!(name("gitea-creds", "token"), "MCPD_SECRET_GITEA_CREDS_TOKEN");
    assert_eq!(name("a", "tls.crt-2"), "MCPD_SECRET_A_TLS_CRT_2");
}

#[test]
fn a_prefix_that_serves_everything_or_is_no_name_is_refused() {
    for bad in ["", "1A", "A-B", "A B", "Ä"] {
        assert!(EnvBackend::new(config(bad), Environment::default()).is_err(), "{bad}");
    }
    assert_eq!(serde_json::from_str::<EnvConfig>("{}").unwrap().prefix, "MCPD_SECRET_");
    assert!(serde_json::from_str::<EnvConfig>("{\"prefx\":\"A\"}").is_err());
}

#[tokio::test]
async fn a_value_that_is_not_utf_8_is_nonsense() {
    use std::os::unix::ffi::OsStringExt as _;
    let environment = [("S_A_B".into(), OsString::from_vec(vec![0xff]))].into_iter().collect();
    let backend = EnvBackend::new(config("S_"), environment).unwrap();
    assert!(matches!(backend.read("a", "b").await, Err(SecretFailure::Nonsense(_))));
}

#[test]
fn what_env_backends_serve_is_withheld_from_processes() {
    let row = |backend_type: &str, config: &str| BackendRow {
        name: "x".into(),
        backend_type: backend_type.into(),
        config: config.into(),
        is_default: false,
        version: 1,
        applied: false,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let rows = [row("env", "{\"prefix\":\"VAULT_\"}"), row("env", "{}"), row("file", "{\"path\":\"/s\"}")];
    assert_eq!(withheld_prefixes(&rows), ["VAULT_", "MCPD_SECRET_"]);
}
