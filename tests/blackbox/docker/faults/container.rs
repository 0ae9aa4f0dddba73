//! Faults of one container, which the rest of the machine does not notice.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::table::{Row, Took};
use super::{EXIT_NOTICED_WITHIN, LOOK_EVERY, watch};
use crate::docker::{error, post};
use crate::harness::{
    Daemon, Dock, INSTANCE, Image, Process, contained, host_pid, id, is_functional, label, message, with,
};

/// Of each kind; odd, so that one is in the middle.
const EXITS: usize = 9;
/// A name where no registry listens.
const NO_IMAGE: &str = "127.0.0.1:1/mcpd-test/not-there";

/// A server that is checked as the table says.
fn checked(name: &str, dock: &Dock, tool: &str) -> Value {
    let check = json!({ "tool": tool, "intervalSeconds": 0.5, "timeoutSeconds": 1, "failureThreshold": 3 });
    with(contained(name, dock), "healthCheck", check)
}

async fn start(daemon: &Daemon, manifest: Value) -> Value {
    daemon.apply(std::slice::from_ref(&manifest)).await;
    daemon.instance(manifest["name"].as_str().unwrap(), is_functional).await
}

/// The process of the server: the child of the container's init.
fn server_process(dock: &Dock, view: &Value) -> Pid {
    let init = host_pid(&dock.container(view));
    let child = Process::all().into_iter().find(|process| process.parent == init);
    Pid::from_raw(child.expect("the init has a child").pid)
}

/// So many exits of one kind; `end` ends the server, and gives the moment to count from. The median has to be noticed in time: a single one can be held up
/// by what else the two cores do.
async fn exits(
    daemon: &Daemon,
    manifest: Value,
    fault: &'static str,
    words: &str,
    end: impl AsyncFn(&Value) -> Instant,
) -> Row {
    let mut exits = Vec::new();
    for _ in 0..EXITS {
        let exit = one_exit(daemon, &manifest, words, &end).await;
        println!("{fault}: noticed after {:?}, back after {:?}", exit.0, exit.1);
        exits.push(exit);
    }
    let (noticed, back_after): (Vec<_>, Vec<_>) = exits.into_iter().unzip();
    let noticed = Took::often(noticed);
    assert!(noticed.median < EXIT_NOTICED_WITHIN, "{fault}: noticed after {noticed}");
    let (shown, back) = (format!("ERROR, `{words}`"), "a new container, at once".to_owned());
    Row { fault, noticed, shown, back, back_after: Took::often(back_after) }
}

/// From the moment that `end` gives on: how long until the exit is shown, and until a new container is functional.
async fn one_exit(
    daemon: &Daemon,
    manifest: &Value,
    words: &str,
    end: &impl AsyncFn(&Value) -> Instant,
) -> (Duration, Duration) {
    let name = manifest["name"].as_str().unwrap();
    let before = start(daemon, manifest.clone()).await;
    let is_noticed = |view: &Value| view["restarts"] != before["restarts"];
    let begin = Instant::now();
    let (ended, (noticed, watched)) = tokio::join!(end(&before), watch(daemon, name, begin, is_noticed));
    let noticed_after = (begin + watched).duration_since(ended);
    assert!(noticed["events"].to_string().contains(words), "{name}: {:#}", noticed["events"]);
    let is_back = |view: &Value| is_functional(view) && view["containerId"] != before["containerId"];
    let (back, back_after) = watch(daemon, name, ended, is_back).await;
    assert_eq!(id(&back), id(&before), "{name}: the same instance");
    // The next exit would be a second one in a row, which is answered with a delay.
    daemon.ctl(&format!("delete server {name}")).await.done();
    (noticed_after, back_after)
}

pub(super) async fn killed(daemon: &Daemon, dock: &Dock) -> Row {
    let words = "exited with code 137";
    exits(daemon, checked("killed", dock, "whoami"), "killed (SIGKILL)", words, async |view| {
        let server = server_process(dock, view);
        let order = Instant::now();
        kill(server, Signal::SIGKILL).unwrap();
        order
    })
    .await
}

pub(super) async fn exits_with_code_0(daemon: &Daemon, dock: &Dock) -> Row {
    let manifest = checked("exiting", dock, "whoami");
    exits(daemon, manifest, "exits with code 0", "exited with code 0", async |view| {
        let order = Instant::now();
        post(daemon, view, "exit", json!({ "code": "0" })).await;
        order
    })
    .await
}

pub(super) async fn out_of_memory(daemon: &Daemon, dock: &Dock) -> Row {
    let manifest = with(checked("greedy", dock, "whoami"), "resources", json!({ "memoryMiB": 32 }));
    let words = "exited with code 137 (out of memory)";
    exits(daemon, manifest, "uses more memory than it may", words, async |view| {
        let order = Instant::now();
        let answer = post(daemon, view, "allocate", json!({ "mib": "256" })).await;
        assert_eq!(answer.problem().0, 502, "the call ended with the server: {answer:?}");
        order
    })
    .await
}

pub(super) async fn removed_by_hand(daemon: &Daemon, dock: &Dock) -> Row {
    let manifest = checked("removed", dock, "whoami");
    exits(daemon, manifest, "removed by hand (`docker rm -f`)", "exited with code 137", async |view| {
        let container = dock.container(view);
        let (engine, init) = (dock.engine.clone(), Process::find(host_pid(&container)).unwrap());
        let id = container["Id"].as_str().unwrap().to_owned();
        let removal = spawn_blocking(move || engine.docker(&["rm", "-f", &id]));
        // What is measured begins when it is gone, not when somebody begins to type.
        while init.is_there() {
            sleep(LOOK_EVERY).await;
        }
        let ended = Instant::now();
        removal.await.unwrap();
        ended
    })
    .await
}

/// SIGSTOP: it runs, and answers nothing.
pub(super) async fn stopped_in_its_tracks(daemon: &Daemon, dock: &Dock) -> Row {
    let before = start(daemon, checked("stopped", dock, "whoami")).await;
    let server = server_process(dock, &before);
    kill(server, Signal::SIGSTOP).unwrap();
    let is_ill = |view: &Value| view["healthStatus"] == "unhealthy";
    let (ill, noticed) = watch(daemon, "stopped", Instant::now(), is_ill).await;
    assert_eq!((&ill["status"], &ill["ready"]), (&json!("RUNNING"), &json!(false)), "{ill:#}");
    let words = message(&ill).to_owned();
    kill(server, Signal::SIGCONT).unwrap();
    let (after, back_after) = watch(daemon, "stopped", Instant::now(), is_functional).await;
    assert_eq!(after["containerId"], before["containerId"]);
    Row {
        fault: "stopped in its tracks (SIGSTOP)",
        noticed: Took::once(noticed),
        shown: format!("RUNNING, unhealthy, not Ready, `{words}`"),
        back: "the same container, when it goes on".to_owned(),
        back_after: Took::once(back_after),
    }
}

pub(super) async fn no_more_threads(daemon: &Daemon, dock: &Dock) -> Row {
    let manifest = with(checked("crowded", dock, "spawn"), "resources", json!({ "pids": 16 }));
    let before = start(daemon, manifest).await;
    post(daemon, &before, "fill", json!({})).await;
    let is_ill = |view: &Value| view["healthStatus"] == "unhealthy";
    let (ill, noticed) = watch(daemon, "crowded", Instant::now(), is_ill).await;
    assert_eq!((&ill["status"], &ill["ready"]), (&json!("RUNNING"), &json!(false)), "{ill:#}");
    let words = message(&ill).to_owned();
    assert!(words.contains("Resource temporarily unavailable"), "{words}");
    post(daemon, &before, "drain", json!({})).await;
    let (after, back_after) = watch(daemon, "crowded", Instant::now(), is_functional).await;
    assert_eq!(after["containerId"], before["containerId"]);
    Row {
        fault: "its `pids` limit is full",
        noticed: Took::once(noticed),
        shown: format!("RUNNING, unhealthy, not Ready, `{words}`"),
        back: "the same container, when it has room again".to_owned(),
        back_after: Took::once(back_after),
    }
}

pub(super) async fn image_that_does_not_exist(daemon: &Daemon, dock: &Dock) -> Row {
    let start = Instant::now();
    let image = format!("{NO_IMAGE}:a");
    daemon.apply(&[with(checked("imageless", dock, "whoami"), "dockerImage", json!(image))]).await;
    let (failed, noticed) = watch(daemon, "imageless", start, |view| view["status"] == "ERROR").await;
    assert!(error(&failed).contains(&image), "{failed:#}");
    let words = error(&failed).to_owned();
    let _image: Image = dock.image.tagged(&image);
    let (_, back_after) = watch(daemon, "imageless", Instant::now(), is_functional).await;
    Row {
        fault: "its image does not exist",
        noticed: Took::once(noticed),
        shown: format!("ERROR, `{words}`"),
        back: "the next attempt, when the image is there".to_owned(),
        back_after: Took::once(back_after),
    }
}

/// Somebody else has a container of the very name that its container is to have.
pub(super) async fn name_that_is_taken(daemon: &Daemon, dock: &Dock) -> Row {
    let image = format!("{NO_IMAGE}:b");
    daemon.apply(&[with(checked("nameless", dock, "whoami"), "dockerImage", json!(image))]).await;
    let (view, _) = watch(daemon, "nameless", Instant::now(), |view| view["status"] == "ERROR").await;
    let (name, of_another) = (name_of(dock, &view), ["create", "--network", &dock.network, "--name"]);
    let foreign = dock.engine.docker(&[&of_another[..], &[&name, &dock.image.name]].concat());
    let start = Instant::now();
    let _image: Image = dock.image.tagged(&image);
    let is_told = |view: &Value| view["status"] == "ERROR" && error(view).contains(&name);
    let (failed, noticed) = watch(daemon, "nameless", start, is_told).await;
    let words = error(&failed).replace(&name, "NAME").replace(&foreign, "ID");
    assert_eq!(dock.engine.inspect(&[&foreign]).len(), 1, "what is not ours is not touched");
    dock.engine.docker(&["rm", &foreign]);
    let (_, back_after) = watch(daemon, "nameless", Instant::now(), is_functional).await;
    Row {
        fault: "the name of its container is taken",
        noticed: Took::once(noticed),
        shown: format!("ERROR, `{words}`"),
        back: "the next attempt, when the name is free".to_owned(),
        back_after: Took::once(back_after),
    }
}

/// By the name of another container of the same mcpd.
fn name_of(dock: &Dock, view: &Value) -> String {
    let another = dock.owned().into_iter().find(|container| label(container, INSTANCE).is_some()).unwrap();
    let name = another["Name"].as_str().unwrap().trim_start_matches('/');
    name.replace(label(&another, INSTANCE).unwrap(), id(view))
}
