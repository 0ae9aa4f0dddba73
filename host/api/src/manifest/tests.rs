//! Every mistake a manifest can hold, in the words people get; and that good ones survive a round trip.

use proptest::prelude::{Just, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
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
    insta::assert_snapshot!(mistakes("name: a"), @"kind: is missing, must be one of server, secret, secretbackend, probe");
    insta::assert_snapshot!(mistakes("kind: Server"), @"kind: unknown value `Server`, must be one of secretbackend, secret, probe, server");
    insta::assert_snapshot!(mistakes("kind: pod"), @"kind: unknown value `pod`, must be one of secretbackend, secret, probe, server");
    insta::assert_snapshot!(mistakes("{kind: server, command: [x]}"), @"name: is missing");
    insta::assert_snapshot!(mistakes("{kind: server, name: Bad_Name, command: [x]}"), @"name: must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit");
    insta::assert_snapshot!(mistakes("[kind, server]"), @"must be an object, not a list");
}

#[test]
fn exactly_one_thing_is_launched() {
    let launch = |fields: &str| mistakes(&format!("kind: server\nname: a\n{fields}"));
    insta::assert_snapshot!(launch("command: []"), @"says not what to run: one of dockerImage, packageName, command, externalUrl");
    insta::assert_snapshot!(launch(""), @"says not what to run: one of dockerImage, packageName, command, externalUrl");
    insta::assert_snapshot!(launch("dockerImage: i\npackageName: p\nruntime: node"), @"has dockerImage and packageName, exactly one says what to run");
    insta::assert_snapshot!(launch("packageName: p\nruntime: node\ncommand: [x]"), @"has both packageName and command, exactly one says what to run");
    insta::assert_snapshot!(launch("externalUrl: http://h/mcp\ncommand: [x]"), @"has both externalUrl and command, exactly one says what to run");
    insta::assert_snapshot!(launch("packageName: p"), @"runtime: is missing, packageName needs node or python");
    insta::assert_snapshot!(launch("packageName: p\nruntime: ruby"), @"runtime: unknown value `ruby`, must be one of node, python");
    insta::assert_snapshot!(launch("dockerImage: -v"), @"dockerImage: must be one word that does not begin with `-`");
    insta::assert_snapshot!(launch("dockerImage: 7"), @"dockerImage: must be a string, not a number: put it in quotes");
    insta::assert_snapshot!(launch("command: ['']"), @"command: begins with an empty string instead of a program");
}

#[test]
fn fields_of_another_launch_are_refused() {
    insta::assert_snapshot!(
        server("runtime: node\nbin: b\ncontainerPort: 80\nimagePullPolicy: Never\nheaders: [{name: A, value: b}]"),
        @"
        runtime: does not go with command, only with packageName
        bin: does not go with command, only with packageName
        containerPort: does not go with command, only with dockerImage, packageName
        imagePullPolicy: does not go with command, only with dockerImage
        headers: does not go with command, only with externalUrl
        "
    );
    let external =
        "kind: server\nname: a\nexternalUrl: ftp://h\ncwd: /x\nargs: [b]\nenv: [{name: A, value: b}]";
    insta::assert_snapshot!(mistakes(external), @"
    externalUrl: must be a URL that begins with http:// or https:// and holds no user name, password or fragment
    args: does not go with externalUrl, only with dockerImage, packageName, command
    env: does not go with externalUrl, only with dockerImage, packageName, command
    cwd: does not go with externalUrl, only with packageName, command
    ");
}

#[test]
fn the_transport_fits_what_is_launched() {
    insta::assert_snapshot!(server("transport: HTTP"), @"transport: unknown value `HTTP`, must be one of STDIO, SSE, STREAMABLE_HTTP");
    insta::assert_snapshot!(mistakes("{kind: server, name: a, dockerImage: i, transport: SSE}"), @"containerPort: is missing, a container with SSE or STREAMABLE_HTTP needs it");
    insta::assert_snapshot!(mistakes("{kind: server, name: a, externalUrl: 'http://h/mcp', transport: STDIO}"), @"transport: must be SSE or STREAMABLE_HTTP with externalUrl");
}

#[test]
fn unknown_fields_are_named_with_their_path() {
    insta::assert_snapshot!(
        server("replica: 2\nbanana: 1\nhealthCheck: {tols: [x]}\nenv: [{name: A, value: b, secret: c}]"),
        @"
        env[0].secret: unknown field, known are name, value, valueFrom
        healthCheck.tols: unknown field, known are probe, tool, arguments, config, intervalSeconds, timeoutSeconds, failureThreshold, successThreshold, initialDelaySeconds, startupSeconds, allow, disabled
        banana: unknown field
        replica: unknown field, did you mean `replicas`?
        "
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
        @"
        env[0].name: must be the name of a variable: letters, digits and `_`, not beginning with a digit
        env[1].value: must be a string, not a number: put it in quotes
        env[2]: has neither `value` nor `valueFrom`, exactly one is needed
        env[3]: has both `value` and `valueFrom`, exactly one is needed
        env[4].valueFrom.secretRef: is missing
        env[5].valueFrom.secretRef.name: must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit
        env[5].valueFrom.secretRef.key: must be of letters, digits, `-`, `.` and `_`, and not `.` or `..`
        env[5].valueFrom.secretRef.allowEmpty: must be true or false, not a number
        env[8]: must be an object, not a string
        env[9].name: is missing
        env: names `F` twice
        "
    );
}

#[test]
fn numbers_keep_their_bounds() {
    insta::assert_snapshot!(server("replicas: 11"), @"replicas: must be a whole number from 0 to 10, not 11");
    insta::assert_snapshot!(server("replicas: -1"), @"replicas: must be a whole number from 0 to 10, not -1");
    insta::assert_snapshot!(server("replicas: 1.5"), @"replicas: must be a whole number from 0 to 10, not 1.5");
    insta::assert_snapshot!(server("replicas: two"), @"replicas: must be a whole number from 0 to 10, not a string");
    insta::assert_snapshot!(server("progressDeadlineSeconds: 0"), @"progressDeadlineSeconds: must be a number from 1 to 86400, not 0");
    insta::assert_snapshot!(server("resources: {memoryMiB: 1, cpus: 0, pids: 0}"), @"
    resources.memoryMiB: must be a whole number from 6 to 1048576, not 1
    resources.cpus: must be a number from 0.01 to 1024, not 0
    resources.pids: must be a whole number from 1 to 4194304, not 0
    ");
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
        @"
        healthCheck.arguments: must be an object, not a list
        healthCheck.config: must be an object, not a string
        healthCheck.intervalSeconds: must be a number from 0.1 to 86400, not 0.05
        healthCheck.timeoutSeconds: must be a number from 0.01 to 600, not 0
        healthCheck.failureThreshold: must be a whole number from 1 to 100, not 0
        healthCheck.successThreshold: must be a whole number from 1 to 100, not 101
        healthCheck.initialDelaySeconds: must be a number from 0 to 3600, not -1
        healthCheck.startupSeconds: must be a number from 0 to 3600, not 3601
        healthCheck.allow.tools: must be a list, not a string
        healthCheck.allow.methods[0]: must be a string, not a number: put it in quotes
        healthCheck.disabled: must be true or false, not a string
        healthCheck: has both `tool` and `probe`, at most one is allowed
        "
    );
}

#[test]
fn other_fields_of_a_server_are_checked_too() {
    insta::assert_snapshot!(
        server("strategy: blue\nonUnhealthy: kill\nprotocolVersion: '2025-01-01'\ncwd: here\nlabels: {a b: 'x,y', n: 1}"),
        @r#"
        cwd: must be an absolute path, such as /srv/data
        labels["a b"]: the name must be of letters, digits, `-`, `.`, `_` and `/`
        labels["a b"]: must be of letters, digits, `-`, `.` and `_`
        labels.n: must be a string, not a number: put it in quotes
        strategy: unknown value `blue`, must be one of rolling, recreate
        onUnhealthy: unknown value `kill`, must be one of none, restart
        protocolVersion: unknown value `2025-01-01`, must be one of 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28
        "#
    );
    let image = "kind: server\nname: a\ndockerImage: i\n";
    insta::assert_snapshot!(mistakes(&format!("{image}volumes: [{{source: '', target: data}}]")), @"
    volumes[0].source: must be an absolute path, such as /srv/data
    volumes[0].target: must be an absolute path, such as /srv/data
    ");
}

#[test]
fn volumes_name_folders_and_no_target_twice() {
    let volumes = |list: &str| mistakes(&format!("kind: server\nname: a\ndockerImage: i\nvolumes: [{list}]"));
    let twice = volumes("{source: /a, target: /data}, {source: /b, target: //data/./}");
    assert_eq!(twice, "volumes[1].target: /data is the target of another volume already");
    insta::assert_snapshot!(volumes("{source: //, target: /.}, {source: /a/../.., target: /b}, {source: named, target: /c}"), @"
    volumes[0].source: must not be /, which would give the whole host to the container
    volumes[0].target: must not be /, which would hide the whole image
    volumes[1].source: must not go up with `..`
    volumes[2].source: must be an absolute path, such as /srv/data
    ");
    let manifest = json!({"kind": "server", "name": "a", "dockerImage": "i", "volumes": [{"source": "/srv//a/", "target": "/data/"}]});
    let Ok(Manifest::Server(server)) = parse(&manifest, &Context::default()) else { panic!("refused") };
    assert_eq!((server.volumes[0].source.as_str(), server.volumes[0].target.as_str()), ("/srv/a", "/data"));
}

#[test]
fn sizes_keep_their_bounds() {
    let long = |field: &str, value: Value| {
        let manifest = json!({"kind": "server", "name": "a", "command": ["x"], field: value});
        parse(&manifest, &Context::default()).unwrap_err()[0].to_string()
    };
    insta::assert_snapshot!(long("name", json!("x".repeat(64))), @"name: has 64 bytes, at most 63 are allowed");
    insta::assert_snapshot!(long("description", json!("x".repeat(1025))), @"description: has 1025 bytes, at most 1024 are allowed");
    insta::assert_snapshot!(long("args", json!(vec!["x"; 257])), @"args: has 257 entries, at most 256 are allowed");
    insta::assert_snapshot!(long("args", json!(["x".repeat(4097)])), @"args[0]: has 4097 bytes, at most 4096 are allowed");
    insta::assert_snapshot!(long("env", json!(vec![json!({"name": "A", "value": ""}); 257])), @"env: has 257 entries, at most 256 are allowed");
    insta::assert_snapshot!(long("env", json!([{"name": "A", "value": "x".repeat(32_769)}])), @"env[0].value: has 32769 bytes, at most 32768 are allowed");
    let labels: serde_json::Map<_, _> = (0..65).map(|i| (format!("l{i}"), json!(""))).collect();
    insta::assert_snapshot!(long("labels", labels.into()), @"labels: has 65 entries, at most 64 are allowed");
}

#[test]
fn a_nul_character_is_refused_wherever_it_stands() {
    let manifest = json!({
        "kind": "server", "name": "a", "command": ["x"], "args": ["a\0b"],
        "healthCheck": {"tool": "t", "arguments": {"k\0": ["\0"]}},
    });
    let found = parse(&manifest, &Context::default()).unwrap_err();
    insta::assert_snapshot!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    args[0]: must not hold a NUL character
    healthCheck.arguments["k�"]: the name must not hold a NUL character
    healthCheck.arguments["k�"][0]: must not hold a NUL character
    "#);
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
        @r#"
        backend: must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit
        data[".."]: the name must be of letters, digits, `-`, `.` and `_`, and not `.` or `..`
        data["a/b"]: the name must be of letters, digits, `-`, `.` and `_`, and not `.` or `..`
        data.c: must be a string, not a number: put it in quotes
        data.d: must be a string, not a list
        "#
    );
    let secret =
        parse(&json!({"kind": "secret", "name": "s", "data": {"k": "hunter2"}}), &Context::default());
    assert!(!format!("{secret:?}").contains("hunter2"));
    let huge = json!({"kind": "secret", "name": "s", "data": {"k": "x".repeat((1 << 20) + 1)}});
    insta::assert_snapshot!(parse(&huge, &Context::default()).unwrap_err()[0], @"data.k: has 1048577 bytes, at most 1048576 are allowed");
}

#[test]
fn secret_backends_are_checked_by_their_type() {
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b}"), @"type: is missing, must be one of sealed, env, file, openbao");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: vault, config: {}}"), @"type: unknown value `vault`, must be one of sealed, env, file, openbao");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: sealed, config: {x: 1}}"), @"config.x: unknown field");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: env}"), @"config: is missing");
    insta::assert_snapshot!(mistakes("{kind: secretbackend, name: b, type: file, config: {path: x}}"), @"config.path: must be an absolute path, such as /srv/data");
    insta::assert_snapshot!(
        mistakes("{kind: secretbackend, name: b, type: openbao, config: {url: x, auth: {method: token}}}"),
        @"
        config.url: must be a URL that begins with http:// or https:// and holds no user name, password or fragment
        config.auth.tokenSecretRef: is missing
        "
    );
    insta::assert_snapshot!(
        mistakes("{kind: secretbackend, name: b, type: openbao, config: {url: 'http://a', auth: {method: approle}}}"),
        @"
        config.auth.roleId: is missing
        config.auth.secretIdSecretRef: is missing
        "
    );
}

#[test]
fn probes_are_checked() {
    insta::assert_snapshot!(
        mistakes("{kind: probe, name: p, limits: {memoryMiB: 513, cpuSeconds: 11, calls: 0, wall: 1}}"),
        @"
        source: is missing
        limits.memoryMiB: must be a whole number from 1 to 512, not 513
        limits.cpuSeconds: must be a number from 0.01 to 10, not 11
        limits.calls: must be a whole number from 1 to 1000, not 0
        limits.wall: unknown field, known are memoryMiB, cpuSeconds, calls
        "
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
    insta::assert_snapshot!(words(json!({"name": "b", "command": ["x"]})), @"name: is b, but the path says a");
    insta::assert_snapshot!(words(json!({"kind": "probe", "command": ["x"]})), @"kind: is probe, but this is the place of a server");
    insta::assert_snapshot!(words(json!({"kind": 1, "command": ["x"]})), @"kind: must be a string, not a number: put it in quotes");
}

#[test]
fn a_list_names_its_entries_and_takes_each_object_once() {
    let good = json!({"kind": "probe", "name": "p", "source": "p.wasm"});
    assert_eq!(parse_list(std::slice::from_ref(&good)).unwrap().len(), 1);
    let found = parse_list(&[good.clone(), json!({"kind": "probe"}), good, json!(7)]).unwrap_err();
    insta::assert_snapshot!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @"
    [1].name: is missing
    [1].source: is missing
    [2]: probe p stands in the list twice
    [3]: must be an object, not a number
    ");
}

#[test]
fn what_is_left_at_its_default_is_left_out() {
    let manifest = json!({
        "kind": "server", "name": "a", "command": ["x"], "args": [], "cwd": "", "env": [], "labels": {},
        "description": "", "strategy": "rolling", "onUnhealthy": "none", "progressDeadlineSeconds": 600,
        "resources": null, "volumes": [],
    });
    insta::assert_json_snapshot!(canonical(&manifest), @r#"
    {
      "command": [
        "x"
      ],
      "kind": "server",
      "name": "a",
      "replicas": 1,
      "transport": "STDIO"
    }
    "#);
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
        "command": ["c"], "args": ["a"], "containerPort": 8080, "imagePullPolicy": "Never", "imagePullSecret": "regcred",
        "env": [
            {"name": "A", "value": ""},
            {"name": "B", "valueFrom": {"secretRef": {"name": "s", "key": "k", "allowEmpty": true}}},
        ],
        "replicas": 3, "labels": {"team": "dev"},
        "resources": {"memoryMiB": 512, "cpus": 0.5, "pids": 256},
        "volumes": [{"source": "/srv", "target": "/data", "readOnly": true}],
        "readOnlyRootFilesystem": true, "strategy": "recreate", "onUnhealthy": "restart", "protocolVersion": "2025-11-25",
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
