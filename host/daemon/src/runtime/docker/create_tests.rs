//! What a container is created with, value by value.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::{Redactor, SecretValue};
use mcpd_core::server::Revision;

use super::*;
use crate::runtime::docker::Endpoint;
use crate::runtime::{Progress, RunNumbers};

/// Without an engine.
pub(in crate::runtime::docker) fn config() -> DockerConfig {
    DockerConfig {
        owner: "owner".to_owned(),
        endpoint: Endpoint::at("/no/socket"),
        network: "net".to_owned(),
        node_runner_image: Some("node:22".to_owned()),
        python_runner_image: None,
        limits: Limits::default(),
        grace: Duration::from_secs(10),
        now: Arc::new(|| Timestamp::UNIX_EPOCH),
        numbers: RunNumbers::default(),
        events: crate::runtime::events(),
    }
}

/// A request for an image without anything of its own.
pub(in crate::runtime::docker) fn request() -> StartRequest {
    StartRequest {
        instance: InstanceId::new("k3v9x2"),
        server: ServerName::new("server"),
        launch: image(&[]),
        args: Vec::new(),
        cwd: None,
        env: Vec::new(),
        secret_names: Vec::new(),
        redactor: Redactor::default(),
        revision: Revision { launch: "launch".to_owned(), secrets: None },
        limits: Limits::default(),
        isolation: Isolation::default(),
        progress: Progress::default(),
    }
}

fn image(command: &[&str]) -> Launch {
    Launch::Image {
        image: "image:1".to_owned(),
        command: words(command),
        pull: PullPolicy::Never,
        credentials: None,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn body(request: &StartRequest) -> ContainerCreateBody {
    Order::new(&config(), request).unwrap().body
}

fn host(request: &StartRequest) -> HostConfig {
    body(request).host_config.unwrap()
}

#[test]
fn an_image_runs_as_it_is_unless_the_manifest_says_otherwise() {
    let as_it_is = body(&request());
    assert_eq!((as_it_is.entrypoint, as_it_is.cmd), (None, None));
    let args = StartRequest { args: words(&["--stdio"]), ..request() };
    assert_eq!((body(&args).entrypoint, body(&args).cmd), (None, Some(words(&["--stdio"]))));
    let both = StartRequest { launch: image(&["/server", "run"]), ..args };
    assert_eq!(body(&both).entrypoint, Some(words(&["/server", "run"])));
    assert_eq!(body(&both).cmd, Some(words(&["--stdio"])));
}

#[test]
fn a_package_runs_in_the_image_that_is_configured() {
    let launch = Launch::NodePackage { package: "a@1".to_owned(), bin: None };
    let order = Order::new(&config(), &StartRequest { launch, ..request() }).unwrap();
    assert_eq!(order.image.name, "node:22");
    assert_eq!(order.body.entrypoint, Some(words(&["npx"])));
    assert_eq!(order.body.cmd, Some(words(&["--yes", "--no-update-notifier", "--", "a@1"])));
    let launch = Launch::PythonPackage { package: "a".to_owned(), bin: None };
    let error = Order::new(&config(), &StartRequest { launch, ..request() }).unwrap_err();
    let expected = "cannot start \"uvx\": no image is configured to run it in a container";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_container_is_safe_by_default() {
    let host = host(&request());
    assert_eq!(host.init, Some(true));
    assert_eq!(host.cap_drop, Some(words(&["ALL"])));
    assert_eq!(host.security_opt, Some(words(&["no-new-privileges"])));
    assert_eq!(host.privileged, Some(false));
    assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    assert_eq!((host.memory, host.memory_swap), (Some(512 * MIB), Some(512 * MIB)));
    assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_000_000_000), Some(256)));
    assert_eq!((host.readonly_rootfs, host.tmpfs), (Some(false), None));
    assert_eq!(host.port_bindings, None);
    assert_eq!(host.network_mode.as_deref(), Some("net"));
}

#[test]
fn limits_of_the_server_come_before_those_of_the_configuration() {
    let own = Limits { memory_mib: Some(64), cpus: Some(0.25), pids: None };
    let configured = Limits { memory_mib: Some(128), cpus: None, pids: Some(7) };
    let bounds = bounds(own, configured);
    assert_eq!(bounds.memory, Some(64 * MIB));
    assert_eq!(bounds.nano_cpus, Some(250_000_000));
    assert_eq!(bounds.pids_limit, Some(7));
}

#[test]
fn a_port_is_published_on_loopback_only_and_the_engine_picks_it() {
    let isolation = Isolation { port: Some(8080), ..Isolation::default() };
    let request = StartRequest { isolation, ..request() };
    assert_eq!(body(&request).exposed_ports, Some(words(&["8080/tcp"])));
    let bindings = host(&request).port_bindings.unwrap();
    let binding = &bindings["8080/tcp"].as_ref().unwrap()[0];
    assert_eq!((binding.host_ip.as_deref(), binding.host_port.as_deref()), (Some("127.0.0.1"), None));
}

#[test]
fn a_read_only_root_leaves_a_folder_to_write_to() {
    let mount = Mount { source: "/srv".to_owned(), target: "/data".to_owned(), read_only: true };
    let isolation = Isolation { root: Root::ReadOnly, mounts: vec![mount], ..Isolation::default() };
    let host = host(&StartRequest { isolation, ..request() });
    assert_eq!(host.readonly_rootfs, Some(true));
    assert!(host.tmpfs.unwrap().contains_key("/tmp"));
    let mount = &host.mounts.unwrap()[0];
    assert_eq!((mount.source.as_deref(), mount.target.as_deref()), (Some("/srv"), Some("/data")));
    assert_eq!((mount.typ, mount.read_only), (Some(MountType::BIND), Some(true)));
}

#[test]
fn values_of_the_environment_stand_in_the_environment_only() {
    let env = vec![("TOKEN".to_owned(), SecretValue::new("hunter22".to_owned()))];
    let body = body(&StartRequest { env, secret_names: words(&["TOKEN"]), ..request() });
    assert_eq!(body.env, Some(words(&["TOKEN=hunter22"])));
    let rest = ContainerCreateBody { env: None, ..body };
    assert!(!serde_json::to_string(&rest).unwrap().contains("hunter22"));
}

#[test]
fn no_value_of_the_environment_is_in_what_an_order_shows_of_itself() {
    let env = vec![("TOKEN".to_owned(), SecretValue::new("s3cr3t-value".to_owned()))];
    let order = Order::new(&config(), &StartRequest { env, ..request() }).unwrap();
    assert_eq!(format!("{order:?}"), "Order { image: \"image:1\", port: None, .. }");
}
