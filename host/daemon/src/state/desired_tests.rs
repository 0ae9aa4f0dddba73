//! What is wanted, read from rows.

use jiff::Timestamp;
use serde_json::json;

use super::*;

fn row(manifest: &Value) -> ServerRow {
    ServerRow {
        name: "demo".into(),
        manifest: manifest.to_string(),
        version: 1,
        deleting: false,
        restart_nonce: 0,
        applied: false,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn desired(manifest: &Value) -> Desired {
    Desired::from_row(&row(manifest), &Defaults::default()).unwrap()
}

#[test]
fn rule_5_4_only_launch_fields_change_the_revision() {
    let hash = |manifest: Value| desired(&manifest).launch_hash;
    let base = hash(json!({"kind": "server", "name": "demo", "command": ["a"]}));
    let touched_nothing = json!({
        "kind": "server", "name": "demo", "command": ["a"], "labels": {"a": "b"}, "description": "x",
        "replicas": 3, "healthCheck": {"tool": "t"}, "strategy": "recreate", "onUnhealthy": "restart",
    });
    assert_eq!(base, hash(touched_nothing));
    assert_ne!(base, hash(json!({"kind": "server", "name": "demo", "command": ["b"]})));
    assert_ne!(base, hash(json!({"kind": "server", "name": "demo", "command": ["a"], "args": ["x"]})));
    let env = json!([{"name": "A", "value": "1"}]);
    assert_ne!(base, hash(json!({"kind": "server", "name": "demo", "command": ["a"], "env": env})));
    let restarted =
        ServerRow { restart_nonce: 1, ..row(&json!({"kind": "server", "name": "demo", "command": ["a"]})) };
    assert_ne!(base, Desired::from_row(&restarted, &Defaults::default()).unwrap().launch_hash);
}

#[test]
fn rule_6_2_without_a_health_check_the_default_applies_and_rule_6_3_a_tool_is_called() {
    let plain = desired(&json!({"kind": "server", "name": "demo", "command": ["a"]})).check.unwrap();
    assert_eq!((plain.probe.as_str(), plain.policy), ("liveness", CheckPolicy::default()));
    let tool = json!({"kind": "server", "name": "demo", "command": ["a"], "healthCheck": {"tool": "get_me"}});
    let tool = desired(&tool).check.unwrap();
    assert_eq!(
        (tool.probe.as_str(), tool.tool.as_deref(), tool.arguments.as_str()),
        ("tool-call", Some("get_me"), "{}")
    );
    let off = json!({"kind": "server", "name": "demo", "command": ["a"], "healthCheck": {"disabled": true}});
    assert!(desired(&off).check.is_none());
}

#[test]
fn a_server_type_may_have_its_own_default_and_the_manifest_wins() {
    let mut checks = config::Checks::default();
    checks.by_package.insert("gitea-mcp".into(), json!({"tool": "get_me", "intervalSeconds": 5}));
    let defaults = Defaults(checks);
    let package = |health_check: Option<Value>| {
        let mut manifest =
            json!({"kind": "server", "name": "demo", "packageName": "gitea-mcp", "runtime": "node"});
        if let Some(health_check) = health_check {
            manifest["healthCheck"] = health_check;
        }
        Desired::from_row(&row(&manifest), &defaults).unwrap().check.unwrap()
    };
    assert_eq!(package(None).tool.as_deref(), Some("get_me"));
    assert_eq!(package(Some(json!({"tool": "other"}))).tool.as_deref(), Some("other"));
    assert_eq!(package(Some(json!({"probe": "liveness"}))).tool, None);
    assert_eq!(package(Some(json!({"tool": "other"}))).policy.interval.as_secs(), 5);
}

#[test]
fn a_row_that_is_no_manifest_is_named() {
    let error = Desired::from_row(&row(&json!({"kind": "server"})), &Defaults::default()).unwrap_err();
    assert!(error.to_string().starts_with("server demo in the store is not a manifest of this version: "));
}
