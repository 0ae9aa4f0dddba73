//! `wait`.

use serde_json::json;

use crate::fake::{Fake, instance, items, server};
use crate::run::mcpctl;

#[tokio::test]
async fn a_condition_that_holds_ends_the_wait() {
    let fake = Fake::start().await;
    fake.json("GET /servers/demo", server("demo"));
    let ended = mcpctl(&fake, "wait demo --for=condition=Functional --timeout 10s").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "server/demo is Functional\n"));
    fake.json("GET /instances/k3v9x2", instance("k3v9x2", "demo"));
    let ended = mcpctl(&fake, "wait instance k3v9x2").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "instance/k3v9x2 is Ready\n"));
}

#[tokio::test]
async fn a_wait_that_times_out_says_why() {
    let fake = Fake::start().await;
    let mut old = server("demo");
    old["updatedReplicas"] = json!(0);
    let why = json!({"sentence": "demo rolls out", "since": null, "next": null, "chain": []});
    fake.json("GET /servers/demo", old).json("GET /servers/demo/why", why);
    let ended = mcpctl(&fake, "wait demo --timeout 0.3").await;
    assert_eq!(ended.code, 6, "an old replica does not answer for a new spec");
    assert_eq!(ended.stderr, "error: server/demo is not Ready after 0s: demo rolls out\n");
}

#[tokio::test]
async fn what_is_not_there_is_not_waited_for() {
    let fake = Fake::start().await;
    fake.json("GET /instances?server=nobody", items(&[]));
    assert_eq!(mcpctl(&fake, "wait nobody").await.code, 3);
    assert_eq!(mcpctl(&fake, "wait srv/nobody").await.code, 3);
}
