//! Two runtimes that note what they are asked, behind the one that chooses.

mod fake;

use std::sync::Arc;

use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;

use self::fake::Fake;
use super::*;
use crate::runtime::exec::Input;
use crate::runtime::{
    Attempt, Exit, Handle, Isolation, Limits, Presence, Progress, PullPolicy, RunNumbers, events,
};

struct Both {
    auto: AutoRuntime,
    process: Arc<Fake>,
    docker: Arc<Fake>,
}

impl Both {
    fn new(packages: PackagePlace) -> Self {
        let (events, numbers) = (events(), RunNumbers::default());
        let process = Arc::new(Fake::new(RuntimeKind::Process, &events, &numbers));
        let docker = Arc::new(Fake::new(RuntimeKind::Docker, &events, &numbers));
        let auto = AutoRuntime::new(AutoConfig {
            process: process.clone(),
            docker: docker.clone(),
            events,
            packages: Packages { node: packages, python: PackagePlace::Host },
            clock: Clock::seeded(Timestamp::UNIX_EPOCH, 1),
        });
        Self { auto, process, docker }
    }

    /// What each was asked since the last look, the process runtime first.
    fn asked(&self) -> [Vec<String>; 2] {
        [self.process.take_asked(), self.docker.take_asked()]
    }

    async fn listed(&self) -> Vec<(String, u64, Presence)> {
        let mut owned: Vec<_> = self.auto.list().await.unwrap();
        owned.sort_by_key(|owned| owned.instance.to_string());
        owned.into_iter().map(|owned| (owned.instance.to_string(), owned.run, owned.presence)).collect()
    }
}

fn id(name: &str) -> InstanceId {
    InstanceId::new(name)
}

fn request(instance: &str, launch: Launch) -> StartRequest {
    StartRequest {
        instance: id(instance),
        server: "demo".into(),
        launch,
        args: Vec::new(),
        cwd: None,
        env: Vec::new(),
        secret_names: Vec::new(),
        redactor: Redactor::default(),
        revision: Revision { launch: "l1".to_owned(), secrets: None },
        limits: Limits::default(),
        isolation: Isolation::default(),
        progress: Progress::default(),
    }
}

fn image() -> Launch {
    let pull = PullPolicy::IfNotPresent;
    Launch::Image { image: "demo:1".to_owned(), command: Vec::new(), pull, credentials: None }
}

fn command() -> Launch {
    Launch::Command { argv: vec!["demo".to_owned()] }
}

fn package() -> Launch {
    Launch::NodePackage { package: "demo".to_owned(), bin: None }
}

#[tokio::test]
async fn an_image_runs_in_a_container_and_a_command_on_the_host() {
    let both = Both::new(PackagePlace::Host);
    both.auto.start(request("a", command())).await.unwrap();
    both.auto.start(request("b", image())).await.unwrap();
    both.auto.start(request("c", package())).await.unwrap();
    assert_eq!(both.asked(), [vec!["start a", "start c"], vec!["start b"]]);
    let runs = [("a", 1), ("b", 2), ("c", 3)].map(|(name, run)| (name.to_owned(), run, Presence::Running));
    assert_eq!(both.listed().await, runs);
}

#[tokio::test]
async fn a_package_runs_in_a_container_where_its_image_is_known_and_the_engine_answers() {
    let both = Both::new(PackagePlace::ContainerIfAny);
    both.auto.start(request("a", package())).await.unwrap();
    both.docker.lose();
    both.auto.start(request("b", package())).await.unwrap();
    assert_eq!(both.asked(), [vec!["start b"], vec!["doubt a", "start a", "doubt b"]]);
}

#[tokio::test]
async fn what_may_still_be_in_a_container_is_not_started_on_the_host() {
    let both = Both::new(PackagePlace::ContainerIfAny);
    both.auto.start(request("a", package())).await.unwrap();
    both.docker.lose();
    let error = both.auto.start(request("a", package())).await.unwrap_err();
    assert!(matches!(error, RuntimeError::EngineAway { .. }), "{error}");
    both.docker.find();
    both.auto.stop(&id("a")).await.unwrap();
    both.docker.lose();
    both.auto.start(request("a", package())).await.unwrap();
    assert_eq!(both.process.take_asked(), ["start a"]);
}

#[tokio::test]
async fn who_insists_on_containers_gets_no_process_for_a_package() {
    let both = Both::new(PackagePlace::Nowhere("runtime.nodeRunnerImage"));
    let error = both.auto.start(request("a", package())).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot run package demo: runtime.kind is docker, and runtime.nodeRunnerImage names no image to run it in"
    );
    let both = Both::new(PackagePlace::Container);
    both.docker.lose();
    assert!(both.auto.start(request("a", package())).await.is_err());
    both.auto.start(request("b", command())).await.unwrap();
    assert_eq!(both.asked(), [vec!["start b"], vec![]]);
}

#[tokio::test]
async fn an_instance_that_changes_its_runtime_is_proved_gone_from_the_other_one_first() {
    let both = Both::new(PackagePlace::Host);
    both.auto.start(request("a", image())).await.unwrap();
    both.docker.lose();
    assert!(both.auto.start(request("a", command())).await.is_err());
    assert_eq!(both.asked(), [vec![], vec!["start a", "remove a"]]);
    both.docker.find();
    both.auto.start(request("a", command())).await.unwrap();
    both.auto.start(request("a", image())).await.unwrap();
    assert_eq!(both.asked(), [vec!["start a", "remove a"], vec!["remove a", "start a"]]);
}

#[tokio::test]
async fn a_process_is_never_asked_of_an_engine() {
    let both = Both::new(PackagePlace::Host);
    both.auto.start(request("a", command())).await.unwrap();
    both.docker.take_asked();
    let (instance, query) = (id("a"), LogQuery { tail: None, attempt: Attempt::Current });
    assert!(matches!(both.auto.adopt(&instance).await, Ok(Adoption::Nothing)));
    assert!(both.auto.reattach(&instance, 1).await.unwrap().is_none());
    assert_eq!(both.auto.doubt(&instance, Timestamp::UNIX_EPOCH).await, None);
    both.auto.append_log(&instance, b"line");
    both.auto.logs(&instance, query).await.unwrap();
    both.auto.leave(&instance).await.unwrap();
    both.auto.stop(&instance).await.unwrap();
    both.auto.remove(&instance).await.unwrap();
    assert_eq!(both.docker.take_asked(), Vec::<String>::new());
    let words = ["start a", "append a", "logs a", "leave a", "stop a", "remove a"];
    assert_eq!(both.process.take_asked(), words);
}

#[tokio::test]
async fn an_unknown_instance_is_asked_of_both_where_the_engine_answers() {
    let both = Both::new(PackagePlace::Host);
    both.auto.stop(&id("a")).await.unwrap();
    assert_eq!(both.asked(), [vec!["stop a"], vec!["stop a"]]);
    both.docker.lose();
    both.auto.stop(&id("a")).await.unwrap();
    both.auto.remove(&id("a")).await.unwrap();
    assert!(matches!(both.auto.adopt(&id("a")).await, Ok(Adoption::Nothing)));
    assert_eq!(both.asked(), [vec!["stop a", "remove a"], vec![]]);
}

#[tokio::test]
async fn what_never_began_for_want_of_an_engine_can_be_deleted_without_one() {
    let both = Both::new(PackagePlace::Host);
    both.docker.lose();
    assert!(both.auto.start(request("a", image())).await.is_err());
    both.auto.stop(&id("a")).await.unwrap();
    both.docker.find();
    both.auto.start(request("b", image())).await.unwrap();
    both.docker.lose();
    assert!(both.auto.stop(&id("b")).await.is_err(), "its container may be there");
}

#[tokio::test]
async fn an_engine_that_goes_in_the_middle_of_a_first_start_may_have_what_it_began() {
    let both = Both::new(PackagePlace::ContainerIfAny);
    both.docker.fade();
    assert!(both.auto.start(request("a", package())).await.is_err());
    assert!(both.auto.stop(&id("a")).await.is_err(), "its container may be there");
    assert!(both.auto.start(request("a", package())).await.is_err(), "not on the host beside its container");
    assert_eq!(both.process.take_asked(), Vec::<String>::new());
    both.docker.find();
    assert!(matches!(both.auto.adopt(&id("a")).await, Ok(Adoption::Running(_))));
}

#[tokio::test]
async fn a_container_beside_the_process_of_its_instance_is_removed_once_it_is_seen() {
    let both = Both::new(PackagePlace::ContainerIfAny);
    both.docker.lose();
    both.auto.start(request("a", package())).await.unwrap();
    both.docker.hold("a");
    both.docker.hold("b");
    both.docker.find();
    both.asked();
    let left = [("a".to_owned(), 1, Presence::Running), ("b".to_owned(), 0, Presence::Running)];
    assert_eq!(both.listed().await, left);
    assert_eq!(both.asked(), [vec![], vec!["remove a"]]);
    assert_eq!(both.docker.list().await.unwrap().len(), 1, "the container of b is wanted");
}

#[tokio::test]
async fn a_container_of_an_instance_whose_process_is_gone_is_taken_over() {
    let both = Both::new(PackagePlace::Host);
    both.docker.hold("a");
    both.auto.sweep(vec![Known { instance: id("a"), handle: Some(Handle("{}".to_owned())) }]).await.unwrap();
    assert!(matches!(both.auto.adopt(&id("a")).await, Ok(Adoption::Running(_))));
}

#[tokio::test]
async fn what_an_engine_refused_or_gave_back_is_stopped_without_asking_it() {
    let both = Both::new(PackagePlace::Host);
    both.docker.refuse();
    assert!(both.auto.start(request("a", image())).await.is_err());
    both.docker.find();
    both.auto.start(request("b", image())).await.unwrap();
    both.auto.stop(&id("b")).await.unwrap();
    both.docker.lose();
    both.auto.stop(&id("a")).await.unwrap();
    both.auto.stop(&id("b")).await.unwrap();
    assert!(both.listed().await.is_empty());
    both.asked();
    both.auto.remove(&id("b")).await.unwrap();
    assert_eq!(both.asked(), [vec![], vec!["forget b"]]);
}

#[tokio::test]
async fn a_container_of_an_earlier_configuration_is_not_taken_for_gone_without_an_engine() {
    let (events, numbers) = (events(), RunNumbers::default());
    let auto = AutoRuntime::new(AutoConfig {
        process: Arc::new(Fake::new(RuntimeKind::Process, &events, &numbers)),
        docker: Arc::new(Engineless(events.clone())),
        events,
        packages: Packages::ON_HOST,
        clock: Clock::seeded(Timestamp::UNIX_EPOCH, 1),
    });
    let left = Known { instance: id("left"), handle: Some(Handle("docker:0123".to_owned())) };
    auto.sweep(vec![left]).await.unwrap();
    insta::assert_snapshot!(auto.adopt(&id("left")).await.unwrap_err(), @"cannot look for the container of instance left, which may still run: this mcpd uses no container engine (runtime.kind is process, or DOCKER_HOST names none of this machine)");
    insta::assert_snapshot!(auto.stop(&id("left")).await.unwrap_err(), @"cannot stop instance left, whose container may still run: this mcpd uses no container engine (runtime.kind is process, or DOCKER_HOST names none of this machine)");
    let unseen = Owned { instance: id("left"), run: 0, presence: Presence::Unseen };
    assert_eq!(auto.list().await.unwrap(), [unseen]);
    insta::assert_snapshot!(auto.start(request("new", image())).await.unwrap_err(), @"cannot run image demo:1: this mcpd uses no container engine (runtime.kind is process, or DOCKER_HOST names none of this machine)");
    auto.remove(&id("new")).await.unwrap();
    auto.start(request("host", package())).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_is_away_takes_nothing_off_the_list() {
    let both = Both::new(PackagePlace::Host);
    both.auto.start(request("a", command())).await.unwrap();
    both.auto.start(request("b", image())).await.unwrap();
    both.auto.start(request("c", image())).await.unwrap();
    both.auto.stop(&id("c")).await.unwrap();
    both.docker.lose();
    let seen = [("a".to_owned(), 1, Presence::Running), ("b".to_owned(), 2, Presence::Unseen)];
    assert_eq!(both.listed().await, seen);
}

#[tokio::test]
async fn a_container_of_which_nothing_was_written_down_is_found_by_the_sweep() {
    let both = Both::new(PackagePlace::Host);
    both.docker.hold("a");
    both.auto.sweep(vec![Known { instance: id("a"), handle: None }]).await.unwrap();
    both.docker.set(Sight::Unneeded);
    assert!(both.auto.stop(&id("a")).await.is_err(), "it is known to be there");
    both.docker.find();
    assert!(matches!(both.auto.adopt(&id("a")).await, Ok(Adoption::Running(_))));
}

#[tokio::test]
async fn a_sweep_reads_from_the_handles_where_each_instance_was() {
    let both = Both::new(PackagePlace::Host);
    both.docker.hold("b");
    both.docker.lose();
    let known = |name: &str, handle: Option<&str>| Known {
        instance: id(name),
        handle: handle.map(|handle| Handle(handle.to_owned())),
    };
    let all = vec![known("a", Some("{\"boot\":\"x\"}")), known("b", Some("docker:0123")), known("c", None)];
    both.auto.sweep(all).await.unwrap();
    assert_eq!(both.asked(), [vec!["sweep a b c"], vec!["sweep a b c"]]);
    assert_eq!(both.listed().await, [("b".to_owned(), 0, Presence::Unseen)]);
    assert!(both.auto.adopt(&id("b")).await.is_err(), "whether it runs is not known");
    both.docker.find();
    let Adoption::Running(adopted) = both.auto.adopt(&id("b")).await.unwrap() else { panic!("not adopted") };
    assert_eq!(both.listed().await, [("b".to_owned(), adopted.started.run, Presence::Running)]);
    assert!(both.auto.reattach(&id("b"), adopted.started.run).await.unwrap().is_some());
}

#[tokio::test]
async fn an_orphan_is_known_from_the_list_on_and_removed_where_it_is() {
    let both = Both::new(PackagePlace::Host);
    both.docker.hold("o");
    assert_eq!(both.listed().await, [("o".to_owned(), 0, Presence::Running)]);
    both.docker.lose();
    assert!(both.auto.remove(&id("o")).await.is_err());
    both.docker.find();
    both.auto.remove(&id("o")).await.unwrap();
    assert!(both.listed().await.is_empty());
}

#[tokio::test]
async fn what_is_not_listed_any_more_was_told_before() {
    let both = Both::new(PackagePlace::Host);
    let mut events = both.auto.subscribe();
    both.auto.start(request("a", command())).await.unwrap();
    both.auto.start(request("b", image())).await.unwrap();
    both.process.exit("a", Exit::Code(1));
    both.docker.exit("b", Exit::OutOfMemory);
    assert!(both.listed().await.is_empty());
    let told = std::iter::from_fn(|| events.try_recv().ok()).map(|event| match event {
        RuntimeEvent::Exited { instance, run, exit, .. } => format!("{instance} {run} {exit}"),
        other => format!("{other:?}"),
    });
    let words = ["a 1 exited with code 1", "b 2 exited with code 137 (out of memory)"];
    assert_eq!(told.collect::<Vec<_>>(), words);
}

#[tokio::test]
async fn commands_of_people_run_beside_containers_only() {
    let both = Both::new(PackagePlace::Host);
    both.auto.start(request("a", command())).await.unwrap();
    both.auto.start(request("b", image())).await.unwrap();
    let ls = || ExecRequest { command: vec!["ls".to_owned()], tty: None, input: Input::Closed };
    let refused = both.auto.exec(&id("a"), ls()).await.unwrap_err().to_string();
    assert_eq!(refused, "cannot run a command in instance a: it is not in a container");
    both.docker.take_asked();
    assert!(both.auto.exec(&id("b"), ls()).await.is_err(), "the fake has nothing to run");
    assert_eq!(both.docker.take_asked(), ["exec b"]);
}
