//! What is asked of an engine before anything needs it.

use tokio::time::Instant;

use super::create::tests::config;
use super::scripted::{Scripted, Turn, json};
use super::*;

fn runtime(engine: &Scripted) -> DockerRuntime {
    DockerRuntime::new(DockerConfig { endpoint: engine.docker.endpoint().clone(), ..config() })
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_frozen_holds_up_no_start_of_mcpd() {
    let engine = Scripted::new([Turn::SayAndHang(Vec::new())]);
    let (runtime, began) = (runtime(&engine), Instant::now());
    let known = Known { instance: InstanceId::new("a"), handle: None };
    assert_eq!(runtime.sweep(vec![known]).await.unwrap(), SweepReport::default());
    assert!(runtime.list().await.is_err(), "what it holds is not known");
    assert!(began.elapsed() <= UNNEEDED_DEADLINE + Duration::from_millis(100));
    assert_eq!(runtime.engines()[0].sight, Sight::Unneeded);
}

#[tokio::test]
async fn what_an_engine_holds_is_listed_also_where_nothing_needs_it() {
    let listed = r#"[{"Id": "0123", "State": "running", "Labels": {"mcpd.instance": "orphan"}}]"#;
    let engine = Scripted::new([Turn::Say(json("200 OK", listed))]);
    let runtime = runtime(&engine);
    let orphan = Owned { instance: InstanceId::new("orphan"), run: 0, presence: Presence::Running };
    assert_eq!(runtime.list().await.unwrap(), [orphan]);
    assert_eq!(runtime.engines()[0].sight, Sight::Unneeded);
}
