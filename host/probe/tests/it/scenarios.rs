//! The scenarios of the built-in probes, and of the harness itself.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mcpd_probe::builtin::{self, Builtin};
use mcpd_probe::scenario::{self, Scenario, ScenarioOutcome};

use crate::support::host;

/// `cargo xtask probes --check` names a folder of rebuilt components here, to have them compared by scenario.
const REBUILT: &str = "MCPD_REBUILT_PROBES";

#[test]
fn the_built_in_probes_hold_their_scenarios() {
    for builtin in builtin::ALL {
        let outcomes = run(builtin, &scenarios(builtin.name));
        assert!(!outcomes.is_empty());
        for outcome in outcomes {
            assert!(outcome.mismatches.is_empty(), "{} `{}`: {outcome:#?}", builtin.name, outcome.name);
        }
    }
}

#[test]
fn a_scenario_that_does_not_hold_says_what_differs() {
    let yaml = "
name: wrong in every way
healthCheck: { tool: get_me }
calls:
  - expect: { method: tools/call, tool: other }
    reply: { text: hello }
  - expect: { method: ping }
    reply: { result: {} }
expect: { verdict: pass, kind: tool, message: /^hello/, maxCalls: 0 }
";
    let outcome = run(builtin::TOOL_CALL, &[Scenario::parse(yaml).unwrap()]).remove(0);
    assert_eq!(
        outcome.mismatches,
        [
            r#"call 1: expected tools/call {"arguments":null,"name":"other"}, got tools/call {"arguments":{},"name":"get_me"}"#,
            "never called: ping",
            "verdict: expected `pass`, got `failure`",
            "kind: expected `tool`, got `host`",
            "message: expected /^hello/, got `the scenario expects another call`",
            "calls: expected 0 at most, got 1",
        ]
    );
}

#[test]
fn a_text_that_is_no_scenario_is_refused() {
    for yaml in [
        "name: x",
        "name: x\nexpect: { verdict: pass, surprise: 1 }",
        "name: x\nexpect: { verdict: pass, message: /(/ }",
        "name: x\nhealthCheck: { timeoutSeconds: 0 }\nexpect: { verdict: pass }",
    ] {
        assert!(Scenario::parse(yaml).is_err(), "{yaml}");
    }
}

fn run(builtin: Builtin, scenarios: &[Scenario]) -> Vec<ScenarioOutcome> {
    scenario::runtime().unwrap().block_on(async {
        let host = host();
        let probe = host.load(component(builtin), builtin.limits()).await.unwrap();
        let mut outcomes = Vec::new();
        for scenario in scenarios {
            outcomes.push(scenario.run(&host, &probe).await);
        }
        outcomes
    })
}

#[expect(clippy::disallowed_methods, reason = "how xtask tells this test which components to take")]
fn component(builtin: Builtin) -> Bytes {
    match std::env::var(REBUILT) {
        Ok(folder) => fs::read(Path::new(&folder).join(format!("{}.wasm", builtin.name))).unwrap().into(),
        Err(_) => Bytes::from_static(builtin.component),
    }
}

fn scenarios(probe: &str) -> Vec<Scenario> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../probes").join(probe).join("scenarios");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| Scenario::parse(&fs::read_to_string(&file).unwrap()).unwrap()).collect()
}
