//! A server that is alone in its image, over streams attached to its first process.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ask, short};
use crate::harness::{
    Daemon, Dock, INSTANCE, Launch, OWNER, Place, SOON, condition, contained, id, is_functional, label,
    until, with,
};

/// What Docker takes for one processor.
const NANOS: f64 = 1e9;

#[tokio::test]
async fn a_server_alone_in_its_image_is_functional() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("alone", place.dock())]).await;
    let view = daemon.instance("alone", is_functional).await;
    let container = place.dock().container(&view);
    assert_eq!(view["containerId"], container["Id"]);
    assert_eq!(view["image"], place.dock().image.name.as_str());
    assert_eq!((condition(&view, "Running"), condition(&view, "Connected")), ("True", "True"));
    assert_eq!(daemon.ctl("call alone whoami").await.done(), "octocat\n");
    let status = daemon.ctl("status").await.done();
    let row = status.lines().find(|line| line.starts_with("runtime docker")).unwrap_or_default();
    assert!(row.contains(" ok ") && row.contains("1 running"), "the engine is shown: {status}");
    it_has_the_names_and_labels_that_were_agreed_on(&container, &view);
    daemon.ctl("delete server alone").await.done();
    assert_eq!(place.dock().containers(), Vec::<Value>::new());
}

fn it_has_the_names_and_labels_that_were_agreed_on(container: &Value, view: &Value) {
    let owner = label(container, OWNER).unwrap();
    let name = format!("/mcpd-{}-{}", &owner[..8], id(view));
    assert_eq!(container["Name"], name.as_str());
    assert_eq!(label(container, INSTANCE), Some(id(view)));
    assert_eq!(label(container, "mcpd.server"), Some("alone"));
    assert!(label(container, "mcpd.launch").is_some_and(|hash| !hash.is_empty()), "{container:#}");
}

#[tokio::test]
async fn a_container_may_do_no_more_than_it_needs() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("plain", place.dock())]).await;
    let view = daemon.instance("plain", is_functional).await;
    let process = ask(&daemon, &view, "process").await;
    assert!(process.contains("CapEff: 0000000000000000"), "no capabilities: {process}");
    assert!(process.contains("NoNewPrivs: 1"), "no new privileges: {process}");
    assert!(!process.contains("Pid: 1,"), "an init is the first process: {process}");
    let host = place.dock().container(&view)["HostConfig"].clone();
    assert_eq!(host["RestartPolicy"]["Name"], "no", "mcpd is the only supervisor");
    assert_eq!(host["LogConfig"]["Type"], "none", "its words are written to no file in the clear");
    assert_eq!((&host["Init"], &host["Privileged"]), (&json!(true), &json!(false)));
    for limit in ["Memory", "NanoCpus", "PidsLimit"] {
        assert!(host[limit].as_i64() > Some(0), "{limit} is bounded: {host:#}");
    }
    assert_eq!(host["MemorySwap"], host["Memory"]);
}

#[tokio::test]
async fn what_a_manifest_asks_for_is_what_the_container_gets() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let folder = place.path().join("shared");
    std::fs::create_dir(&folder).unwrap();
    let manifest = with(
        contained("bounded", place.dock()),
        "resources",
        json!({ "memoryMiB": 64, "cpus": 0.25, "pids": 20 }),
    );
    let manifest = with(manifest, "readOnlyRootFilesystem", json!(true));
    let volumes = json!([{ "source": folder, "target": "/shared", "readOnly": true }]);
    daemon.apply(&[with(manifest, "volumes", volumes)]).await;
    let view = daemon.instance("bounded", is_functional).await;
    let container = place.dock().container(&view);
    let host = &container["HostConfig"];
    assert_eq!((&host["Memory"], &host["PidsLimit"]), (&json!(64 << 20), &json!(20)));
    assert_eq!(host["NanoCpus"].as_f64(), Some(0.25 * NANOS));
    assert_eq!(host["ReadonlyRootfs"], true);
    let mount = &container["Mounts"][0];
    assert_eq!((&mount["Destination"], &mount["RW"]), (&json!("/shared"), &json!(false)), "{container:#}");
}

#[tokio::test]
async fn three_replicas_are_three_containers_with_a_connection_each() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[with(contained("three", place.dock()), "replicas", json!(3))]).await;
    let views = all_functional(&daemon, "three", 3).await;
    let table = daemon.ctl("get instances -o wide").await.done();
    let mut hosts = BTreeSet::new();
    for view in &views {
        let container = place.dock().container(view);
        assert!(table.contains(short(&container)), "{table}");
        let process = ask(&daemon, view, "process").await;
        assert!(process.contains(&format!("Host: {}", short(&container))), "{process}");
        assert_eq!(ask(&daemon, view, "sessions").await, "1", "one handshake, and one only");
        hosts.insert(short(&container).to_owned());
    }
    assert_eq!(hosts.len(), 3);
    assert!(table.contains(&place.dock().image.name), "{table}");
    it_scales(&daemon, place.dock(), &views).await;
}

async fn all_functional(daemon: &Daemon, server: &str, count: usize) -> Vec<Value> {
    until("all replicas are functional", SOON, async || {
        let views = daemon.instances(server).await;
        (views.len() == count && views.iter().all(is_functional)).then_some(views)
    })
    .await
}

/// Down to the oldest, which is not touched by it, and to none.
async fn it_scales(daemon: &Daemon, dock: &Dock, views: &[Value]) {
    for replicas in [1, 0] {
        daemon.apply(&[with(contained("three", dock), "replicas", json!(replicas))]).await;
        let left = until("as many containers as replicas", SOON, async || {
            let left = dock.containers();
            (left.len() == replicas).then_some(left)
        });
        let known: Vec<_> = views.iter().map(|view| &view["containerId"]).collect();
        assert!(left.await.iter().all(|container| known.contains(&&container["Id"])));
    }
    until("no row is left", SOON, async || daemon.instances("three").await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn command_replaces_the_entrypoint_and_args_come_after_either() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let (command, args) = (json!(["/server", "--from", "command"]), json!(["--from", "args"]));
    let bare = |name| contained(name, place.dock());
    daemon
        .apply(&[
            bare("neither"),
            with(bare("args"), "args", args.clone()),
            with(bare("command"), "command", command.clone()),
            with(with(bare("both"), "command", command), "args", args),
        ])
        .await;
    let expected = [
        ("neither", "/server"),
        ("args", "/server --from args"),
        ("command", "/server --from command"),
        ("both", "/server --from command --from args"),
    ];
    for (name, arguments) in expected {
        let view = daemon.instance(name, is_functional).await;
        assert_eq!(ask(&daemon, &view, "arguments").await, arguments, "{name}");
    }
}

#[tokio::test]
async fn a_changed_spec_rolls_and_the_old_container_goes_last() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let manifest = contained("rolled", place.dock());
    daemon.apply(std::slice::from_ref(&manifest)).await;
    let before = daemon.instance("rolled", is_functional).await;
    daemon.apply(&[with(manifest, "args", json!(["--changed"]))]).await;
    let is_after = |view: &Value| is_functional(view) && id(view) != id(&before);
    until("the new one is functional and alone", SOON, async || {
        let views = daemon.instances("rolled").await;
        let is_served = views.iter().any(|view| view["ready"] == true);
        assert!(is_served, "a rolling change never leaves it without a Ready replica: {views:#?}");
        (views.len() == 1 && is_after(&views[0])).then_some(())
    })
    .await;
    let containers = place.dock().containers();
    assert_eq!(containers.len(), 1, "{containers:#?}");
    assert_ne!(containers[0]["Id"], before["containerId"]);
}

#[tokio::test]
async fn with_recreate_the_old_container_goes_before_the_new_one_comes() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let manifest = with(contained("recreated", place.dock()), "strategy", json!("recreate"));
    daemon.apply(std::slice::from_ref(&manifest)).await;
    let before = daemon.instance("recreated", is_functional).await;
    daemon.apply(&[with(manifest, "args", json!(["--changed"]))]).await;
    until("the new one is functional", SOON, async || {
        let containers = place.dock().containers();
        assert!(containers.len() <= 1, "never two at once: {containers:#?}");
        let views = daemon.instances("recreated").await;
        views.iter().any(|view| is_functional(view) && id(view) != id(&before)).then_some(())
    })
    .await;
    assert_ne!(place.dock().containers()[0]["Id"], before["containerId"]);
}
