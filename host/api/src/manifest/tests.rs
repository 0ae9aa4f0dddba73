//! Every mistake a manifest can hold, in the words people get; and that good ones survive a round trip.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The mistakes of a YAML manifest, one per line.
fn mistakes(text: &str) -> String {
    let documents = crate::yaml::read(text).unwrap();
    let lines = parse(&documents[0].value, &Context::default()).unwrap_err();
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The mistakes of a server that is fine but for these lines.
fn server(lines: &str) -> String {
    mistakes(&format!("kind: server\nname: a\ncommand: [x]\n{lines}"))
}

/// Reads a manifest that has to be good and writes it again.
fn canonical(value: &Value) -> Value {
    serde_json::to_value(parse(value, &Context::default()).unwrap()).unwrap()
}

#[test]
fn kind_and_name_are_needed_and_well_formed() {
    insta::assert_snapshot!(mistakes("name: a"), @"");
    insta::assert_snapshot!(mistakes("kind: Server"), @"");
    insta::assert_snapshot!(mistakes("kind: pod"), @"");
    insta::assert_snapshot!(mistakes("{kind: server, command: [x]}"), @"");
    insta::assert_snapshot!(mistakes("{kind: server, name: Bad_Name, command: [x]}"), @"");
    insta::assert_snapshot!(mistakes("[kind, server]"), @"");
}

#[test]
fn exactly_one_thing_is_launched() {
    let launch = |fields: &str| mistakes(&format!("kind: server\nname: a\n{fields}"));
    insta::assert_snapshot!(launch("command: []"), @"");
    insta::assert_snapshot!(launch("{}".trim_matches(['{', '}'])), @"");
    insta::assert_snapshot!(launch("dockerImage: i\npackageName: p\nruntime: node"), @"");
    insta::assert_snapshot!(launch("packageName: p\nruntime: node\ncommand: [x]"), @"");
    insta::assert_snapshot!(launch("externalUrl: http://h/mcp\ncommand: [x]"), @"");
    insta::assert_snapshot!(launch("packageName: p"), @"");
    insta::assert_snapshot!(launch("packageName: p\nruntime: ruby"), @"");
    insta::assert_snapshot!(launch("dockerImage: -v"), @"");
    insta::assert_snapshot!(launch("dockerImage: 7"), @"");
    insta::assert_snapshot!(launch("command: ['']"), @"");
}

#[test]
fn fields_of_another_launch_are_refused() {
    insta::assert_snapshot!(
        server("runtime: node\nbin: b\ncontainerPort: 80\nimagePullPolicy: Never\nheaders: [{name: A, value: b}]"),
        @""
    );
    let external =
        "kind: server\nname: a\nexternalUrl: ftp://h\ncwd: /x\nargs: [b]\nenv: [{name: A, value: b}]";
    insta::assert_snapshot!(mistakes(external), @"");
}

#[test]
fn the_transport_fits_what_is_launched() {
    insta::assert_snapshot!(server("transport: HTTP"), @"");
    insta::assert_snapshot!(mistakes("{kind: server, name: a, dockerImage: i, transport: SSE}"), @"");
    insta::assert_snapshot!(mistakes("{kind: server, name: a, externalUrl: 'http://h/mcp', transport: STDIO}"), @"");
}

#[test]
fn unknown_fields_are_named_with_their_path() {
    insta::assert_snapshot!(
        server("replica: 2\nbanana: 1\nhealthCheck: {tols: [x]}\nenv: [{name: A, value: b, secret: c}]"),
        @""
    );
}

#[test]
fn env_entries_have_one_source_and_names_of_their_own() {
    insta::assert_snapshot!(
        server(concat!(
            "env:\n",
            "  - {name: 1A, value: x}\n",
            "  - {name: A, value: 8080}\n",
            "  - {name: B}\n",
            "  - {name: C, value: x, valueFrom: {secretRef: {name: s, key: k}}}\n",
            "  - {name: D, valueFrom: {}}\n",
            "  - {name: E, valueFrom: {secretRef: {name: S, key: a/b, allowEmpty: 1}}}\n",
            "  - {name: F, value: ''}\n",
            "  - {name: F, value: ''}\n",
            "  - nothing\n",
            "  - {value: x}\n",
        )),
        @""
    );
}

#[test]
fn numbers_keep_their_bounds() {
    insta::assert_snapshot!(server("replicas: 11"), @"");
    insta::assert_snapshot!(server("replicas: -1"), @"");
    insta::assert_snapshot!(server("replicas: 1.5"), @"");
    insta::assert_snapshot!(server("replicas: two"), @"");
    insta::assert_snapshot!(server("progressDeadlineSeconds: 0"), @"");
    insta::assert_snapshot!(server("resources: {memoryMiB: 1, cpus: 0, pids: 0}"), @"");
}

#[test]
fn health_checks_keep_their_bounds() {
    insta::assert_snapshot!(
        server(concat!(
            "healthCheck:\n",
            "  tool: get_me\n  probe: other\n  arguments: [1]\n  config: x\n",
            "  intervalSeconds: 0.05\n  timeoutSeconds: 0\n  failureThreshold: 0\n  successThreshold: 101\n",
            "  initialDelaySeconds: -1\n  startupSeconds: 3601\n  allow: {tools: x, methods: [1]}\n  disabled: 'no'\n",
        )),
        @""
    );
}

#[test]
fn other_fields_of_a_server_are_checked_too() {
    insta::assert_snapshot!(
        server("strategy: blue\nonUnhealthy: kill\nprotocolVersion: '2025-01-01'\ncwd: here\nlabels: {a b: 'x,y', n: 1}"),
        @""
    );
    let image = "kind: server\nname: a\ndockerImage: i\n";
    insta::assert_snapshot!(mistakes(&format!("{image}volumes: [{{source: '', target: data}}]")), @"");
}

#[test]
fn sizes_keep_their_bounds() {
    let long = |field: &str, value: Value| {
        let manifest = json!({"kind": "server", "name": "a", "command": ["x"], field: value});
        parse(&manifest, &Context::default()).unwrap_err()[0].to_string()
    };
    insta::assert_snapshot!(long("name", json!("x".repeat(64))), @"");
    insta::assert_snapshot!(long("description", json!("x".repeat(1025))), @"");
    insta::assert_snapshot!(long("args", json!(vec!["x"; 257])), @"");
    insta::assert_snapshot!(long("args", json!(["x".repeat(4097)])), @"");
    insta::assert_snapshot!(long("env", json!(vec![json!({"name": "A", "value": ""}); 257])), @"");
    insta::assert_snapshot!(long("env", json!([{"name": "A", "value": "x".repeat(32_769)}])), @"");
    let labels: serde_json::Map<_, _> = (0..65).map(|i| (format!("l{i}"), json!(""))).collect();
    insta::assert_snapshot!(long("labels", labels.into()), @"");
}

#[test]
fn a_nul_character_is_refused_wherever_it_stands() {
    let manifest = json!({
        "kind": "server", "name": "a", "command": ["x"], "args": ["a\0b"],
        "healthCheck": {"tool": "t", "arguments": {"k\0": ["\0"]}},
    });
    let found = parse(&manifest, &Context::default()).unwrap_err();
    insta::assert_snapshot!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @"");
}

#[test]
fn mistakes_beyond_count_are_counted() {
    let fields: serde_json::Map<_, _> = (0..500).map(|i| (format!("field{i}"), json!(1))).collect();
    let mut manifest = json!({"kind": "server", "name": "a", "command": ["x"]});
    manifest.as_object_mut().unwrap().extend(fields);
    let found = parse(&manifest, &Context::default()).unwrap_err();
    assert_eq!(found.len(), crate::bounds::FIELD_ERRORS_MAX + 1);
    assert_eq!(found.last().unwrap().message, "and 400 more mistakes");
}

#[test]
fn secrets_are_checked_and_never_repeated() {
    insta::assert_snapshot!(
        mistakes("{kind: secret, name: s, backend: B, data: {a/b: hunter2, '..': x, c: 4711, d: [hunter2]}}"),
        @""
    );
    let secret =
        parse(&json!({"kind": "secret", "name": "s", "data": {"k": "hunter2"}}), &Context::default());
    assert!(!format!("{secret:?}").contains("hunter2"));
    let huge = json!({"kind": "secret", "name": "s", "data": {"k": "x".repeat((1 << 20) + 1)}});
    insta::assert_snapshot!(parse(&huge, &Context::default()).unwrap_err()[0], @"");
}

#[test]
fn secret_backends_are_checked_by_their_type() {
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b}"), @"");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: vault, config: {}}"), @"");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: sealed, config: {x: 1}}"), @"");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: env}"), @"");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: file, config: {path: x}}"), @"");
    insta::assert_snapshot!(
        mistakes("{kind: secretbackend, name: b, type: openbao, config: {url: x, auth: {method: token}}}"),
        @""
    );
    insta::assert_snapshot!(
        mistakes("{kind: secretbackend, name: b, type: openbao, config: {url: 'http://a', auth: {method: approle}}}"),
        @""
    );
}

#[test]
fn probes_are_checked() {
    insta::assert_snapshot!(
        mistakes("{kind: probe, name: p, limits: {memoryMiB: 513, cpuSeconds: 11, calls: 0, wall: 1}}"),
        @""
    );
}

#[test]
fn the_place_a_manifest_comes_by_fills_in_kind_and_name_and_contradicts_it() {
    let context = Context::named(Kind::Server, "a");
    assert!(parse(&json!({"command": ["x"]}), &context).is_ok());
    let words = |value: Value| {
        let found = parse(&value, &context).unwrap_err();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(words(json!({"name": "b", "command": ["x"]})), @"");
    insta::assert_snapshot!(words(json!({"kind": "probe", "command": ["x"]})), @"");
    insta::assert_snapshot!(words(json!({"kind": 1, "command": ["x"]})), @"");
}

#[test]
fn a_list_names_its_entries_and_takes_each_object_once() {
    let good = json!({"kind": "probe", "name": "p", "source": "p.wasm"});
    assert_eq!(parse_list(&[good.clone()]).unwrap().len(), 1);
    let found = parse_list(&[good.clone(), json!({"kind": "probe"}), good, json!(7)]).unwrap_err();
    insta::assert_snapshot!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @"");
}

#[test]
fn what_is_left_at_its_default_is_left_out() {
    let manifest = json!({
        "kind": "server", "name": "a", "command": ["x"], "args": [], "cwd": "", "env": [], "labels": {},
        "description": "", "strategy": "rolling", "onUnhealthy": "none", "progressDeadlineSeconds": 600,
        "resources": null, "volumes": [],
    });
    insta::assert_json_snapshot!(canonical(&manifest), @"");
}

#[test]
fn every_field_of_every_kind_survives() {
    for manifest in full_manifests() {
        assert_eq!(canonical(&manifest), manifest);
    }
}

fn full_manifests() -> Vec<Value> {
    let full = json!({
        "kind": "server", "name": "a", "description": "d", "transport": "SSE", "dockerImage": "i:1",
        "command": ["c"], "args": ["a"], "containerPort": 8080, "imagePullPolicy": "Never",
        "env": [
            {"name": "A", "value": ""},
            {"name": "B", "valueFrom": {"secretRef": {"name": "s", "key": "k", "allowEmpty": true}}},
        ],
        "replicas": 3, "labels": {"team": "dev"},
        "resources": {"memoryMiB": 512, "cpus": 0.5, "pids": 256},
        "volumes": [{"source": "/srv", "target": "/data", "readOnly": true}],
        "strategy": "recreate", "onUnhealthy": "restart", "protocolVersion": "2025-11-25",
        "progressDeadlineSeconds": 60,
        "healthCheck": {
            "tool": "t", "arguments": {"a": [1]}, "config": {"b": 2}, "intervalSeconds": 0.5,
            "timeoutSeconds": 0.25, "failureThreshold": 1, "successThreshold": 2, "initialDelaySeconds": 0,
            "startupSeconds": 5, "allow": {"tools": ["x"], "methods": ["y/z"]}, "disabled": true,
        },
    });
    vec![
        full,
        json!({"kind": "server", "name": "b", "transport": "STDIO", "replicas": 0, "packageName": "@s/p@1",
            "runtime": "node", "bin": "b", "args": ["-x"], "cwd": "/srv", "containerPort": 1}),
        json!({"kind": "server", "name": "c", "transport": "STREAMABLE_HTTP", "replicas": 1,
            "externalUrl": "https://h/mcp", "headers": [{"name": "X-Key", "value": "v"}]}),
        json!({"kind": "secret", "name": "s", "backend": "bao", "data": {"token": "t"}}),
        json!({"kind": "secret", "name": "s"}),
        json!({"kind": "secretbackend", "name": "b", "type": "sealed"}),
        json!({"kind": "secretbackend", "name": "b", "type": "env", "config": {"prefix": "P_"}}),
        json!({"kind": "secretbackend", "name": "b", "type": "file", "config": {"path": "/p"}}),
        json!({"kind": "secretbackend", "name": "b", "type": "openbao", "config": {
            "url": "https://b", "mount": "kv", "pathPrefix": "p", "namespace": "n",
            "auth": {"method": "approle", "roleId": "r", "secretIdSecretRef": {"name": "s", "key": "k"}, "mount": "m"}}}),
        json!({"kind": "secretbackend", "name": "b", "type": "openbao", "config": {
            "url": "https://b", "mount": "secret", "auth": {"method": "token", "tokenSecretRef": {"name": "s", "key": "k"}}}}),
        json!({"kind": "secretbackend", "name": "b", "type": "openbao", "config": {
            "url": "https://b", "mount": "secret", "auth": {"method": "kubernetes", "role": "r"}}}),
        json!({"kind": "probe", "name": "p", "source": "oci://r/p@sha256:0", "limits": {"memoryMiB": 64, "cpuSeconds": 1, "calls": 100}}),
    ]
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl proptest::strategy::Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "env",
            "name",
            "value",
            "valueFrom",
            "secretRef",
            "command",
            "labels",
            "healthCheck"
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_json_makes_the_reader_panic(mut value in any_json(), kind in 0..4_usize) {
        if let Value::Object(fields) = &mut value {
            fields.insert("kind".to_owned(), json!(Kind::ALL[kind]));
        }
        let _ = parse(&value, &Context::default());
        let _ = parse(&value, &Context::named(Kind::Server, "a"));
    }

    #[test]
    fn a_manifest_written_and_read_again_is_the_same(
        base in prop::sample::select(full_manifests()),
        part in any_json(),
        field in any_key(),
    ) {
        let mut value = base;
        value[field] = part;
        if let Ok(manifest) = parse(&value, &Context::default()) {
            let written = serde_json::to_value(&manifest).unwrap();
            prop_assert_eq!(parse(&written, &Context::default()).unwrap(), manifest);
        }
    }

    #[test]
    fn any_timing_survives_the_wire(interval in 0.1..86_400.0_f64, timeout in 0.01..600.0_f64, count in 1..=100_u32) {
        let check = json!({"intervalSeconds": interval, "timeoutSeconds": timeout, "failureThreshold": count});
        let value = json!({"kind": "server", "name": "a", "command": ["x"], "healthCheck": check});
        let manifest = parse(&value, &Context::default()).unwrap();
        let written = serde_json::to_value(&manifest).unwrap();
        prop_assert_eq!(parse(&written, &Context::default()).unwrap(), manifest);
    }
}
