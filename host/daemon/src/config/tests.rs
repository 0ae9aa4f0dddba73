//! The whole of the configuration, from sources to what is printed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::keys::KEYS;
use super::{ConfigError, Effective, Environment, Flag, LogFormat, RuntimeKind, Sources, load, schema};

/// A home with a configuration file in its XDG folder.
struct Home(TempDir);

impl Home {
    fn with_file(text: &str) -> Self {
        let home = Self(TempDir::new().unwrap());
        std::fs::create_dir_all(home.file().parent().unwrap()).unwrap();
        std::fs::write(home.file(), text).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".config/mcpd/mcpd.toml")
    }

    fn sources(&self, variables: &[(&str, &str)]) -> Sources {
        let home = ("HOME", self.0.path().to_str().unwrap());
        let pairs = variables.iter().chain([&home]);
        let environment: Environment = pairs.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Sources { environment, ..Sources::default() }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Effective, ConfigError> {
        load(&self.sources(variables))
    }

    fn refusal(&self, variables: &[(&str, &str)]) -> String {
        let error = self.load(variables).unwrap_err().to_string();
        error.replace(self.0.path().to_str().unwrap(), "HOME")
    }
}

#[test]
fn the_database_is_a_file_and_nothing_else() {
    let home = Home(TempDir::new().unwrap());
    let of = |url| home.load(&[("MCPD_STORE_URL", url)]).map(|effective| effective.config.store.path);
    assert_eq!(of("").unwrap(), None);
    assert_eq!(of("sqlite:kept.db").unwrap(), Some("kept.db".into()));
    assert_eq!(of("sqlite:/srv/mcpd.db").unwrap(), Some("/srv/mcpd.db".into()));
    let refused =
        ["kept.db", "sqlite:", "sqlite://kept.db", "sqlite::memory:", "sqlite:a.db?mode=ro", "sqlite3:a"];
    assert!(refused.into_iter().all(|url| of(url).is_err()));
    let shown = home.load(&[("MCPD_STORE_URL", "sqlite:kept.db")]).unwrap().to_toml();
    assert!(shown.contains("url = \"sqlite:kept.db\""), "{shown}");
}

#[test]
fn containers_are_configured_in_units_and_within_bounds() {
    let home = Home(TempDir::new().unwrap());
    let docker = home
        .load(&[
            ("MCPD_RUNTIME_KIND", "docker"),
            ("MCPD_RUNTIME_DOCKER_HOST", "unix:///run/podman/podman.sock"),
            ("MCPD_RUNTIME_DOCKER_STOP_SECONDS", "2.5"),
            ("MCPD_RUNTIME_DOCKER_MEMORY_MIB", "64"),
            ("MCPD_RUNTIME_DOCKER_CPUS", "0.5"),
        ])
        .unwrap()
        .config
        .runtime;
    assert_eq!(
        (docker.kind, docker.docker.host.as_deref()),
        (RuntimeKind::Docker, Some("unix:///run/podman/podman.sock"))
    );
    assert_eq!((docker.docker.stop, docker.docker.memory_mib), (Duration::from_millis(2500), 64));
    assert!((docker.docker.cpus - 0.5).abs() < f64::EPSILON);
    assert_eq!(docker.docker.pids, 256);
    let wrong = [
        ("MCPD_RUNTIME_KIND", "kubernetes"),
        ("MCPD_RUNTIME_DOCKER_HOST", "tcp://10.0.0.1:2375"),
        ("MCPD_RUNTIME_DOCKER_STOP_SECONDS", "0"),
        ("MCPD_RUNTIME_DOCKER_MEMORY_MIB", "5"),
        ("MCPD_RUNTIME_DOCKER_CPUS", "many"),
        ("MCPD_RUNTIME_DOCKER_PIDS", "0"),
    ];
    insta::assert_snapshot!(home.refusal(&wrong), @r"
    configuration is refused:
      MCPD_RUNTIME_KIND: runtime.kind: kubernetes is not in this version, which runs processes and containers only
      MCPD_RUNTIME_DOCKER_HOST: runtime.docker.host: expected unix:///PATH, such as unix:///var/run/docker.sock; an engine of another machine is not supported
      MCPD_RUNTIME_DOCKER_STOP_SECONDS: runtime.docker.stopSeconds: must be 1 to 300, is 0
      MCPD_RUNTIME_DOCKER_MEMORY_MIB: runtime.docker.memoryMiB: must be 6 to 1048576, is 5
      MCPD_RUNTIME_DOCKER_CPUS: runtime.docker.cpus: expected a number, found a text
      MCPD_RUNTIME_DOCKER_PIDS: runtime.docker.pids: must be 1 to 4194304, is 0
    ");
}

fn flag(name: &'static str, key: &'static str, text: &str) -> Flag {
    Flag { name, key, text: text.to_owned() }
}

#[test]
fn nobody_has_to_configure_anything() {
    let home = Home(TempDir::new().unwrap());
    let config = home.load(&[]).unwrap().config;
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:3100");
    assert_eq!(config.data.dir, home.0.path().join(".local/share/mcpd"));
    assert_eq!(config.runtime.kind, RuntimeKind::Auto);
    assert_eq!(config.runtime.network, "mcp-servers");
    assert_eq!(config.backoff.schedule.fast, Duration::from_secs(30));
    assert_eq!(config.backoff.schedule.fast_attempts, 5);
    assert_eq!(config.backoff.schedule.slow, Duration::from_mins(5));
    assert_eq!(config.backoff.reset, Duration::from_mins(10));
    assert_eq!(config.checks.policy.interval, Duration::from_secs(30));
    assert_eq!(config.secrets.default_backend, "sealed");
}

#[test]
fn a_variable_overrides_the_file_and_a_flag_overrides_both() {
    let home = Home::with_file(
        "listen.address = '127.0.0.1:1'\nbackoff.fastSeconds = 1\nreconcile.scanSeconds = 1.5\n",
    );
    let mut sources =
        home.sources(&[("MCPD_LISTEN_ADDRESS", "127.0.0.1:2"), ("MCPD_BACKOFF_FAST_SECONDS", "2")]);
    sources.flags = vec![flag("--listen", "listen.address", "127.0.0.1:3")];
    let effective = load(&sources).unwrap();
    assert_eq!(effective.config.listen.address, SocketAddr::from(([127, 0, 0, 1], 3)));
    assert_eq!(effective.config.backoff.schedule.fast, Duration::from_secs(2));
    assert_eq!(effective.config.reconcile.scan, Duration::from_millis(1500));
    assert_eq!(effective.origin("listen.address").to_string(), "--listen");
    assert_eq!(effective.origin("backoff.fastSeconds").to_string(), "MCPD_BACKOFF_FAST_SECONDS");
    assert!(effective.origin("reconcile.scanSeconds").to_string().ends_with("mcpd.toml:3"));
    assert_eq!(effective.origin("probes.calls").to_string(), "default");
}

#[test]
fn every_mistake_of_every_source_is_reported_at_once() {
    let home = Home::with_file(
        r#"
bakoff = {}
"data.dir" = "/tmp"
intervalSeconds = 5
[backoff]
fastSecond = 30
slowSeconds = "long"
fastAttempts = 2.5
resetSeconds = nan
[runtime]
kind = "kubernetes"
process = 3
[listen]
allowedHosts = ["ok.example", "https://no.example/"]
[checks]
intervalSeconds = 0.01
byTransport.STDIO2 = { tool = "x" }
byPackage = { gitea-mcp = "get_me", other = { tol = "x", timeoutSeconds = 0 } }
[store]
url = "postgres://user:hunter2@db/mcpd"
[telemetry]
format = "jsn"
"#,
    );
    let mut sources = home.sources(&[
        ("MCPD_PROBES_CALLS", "9999"),
        ("MCPD_PROBES_POOLSIZE", "4"),
        ("MCPD_AUTH_OPEN_METRICS", "yes"),
        ("MCPD_RUNTIME_PROCESS_PASS_ENV", "JAVA_HOME, MCPD_TOKEN"),
    ]);
    sources.flags =
        vec![flag("--listen", "listen.address", "localhost"), flag("--log", "telemetry.log", "a=b=c")];
    let error = load(&sources).unwrap_err().to_string().replace(home.0.path().to_str().unwrap(), "HOME");
    insta::assert_snapshot!(error, @r#"
    configuration is refused:
      HOME/.config/mcpd/mcpd.toml:2: bakoff: unknown key, did you mean `backoff`?
      HOME/.config/mcpd/mcpd.toml:3: data.dir: unknown key (quotes make one name of it, without sections)
      HOME/.config/mcpd/mcpd.toml:4: intervalSeconds: unknown key, did you mean `checks.intervalSeconds`?
      HOME/.config/mcpd/mcpd.toml:6: backoff.fastSecond: unknown key, did you mean `backoff.fastSeconds`?
      HOME/.config/mcpd/mcpd.toml:7: backoff.slowSeconds: expected a number of seconds, found a text
      HOME/.config/mcpd/mcpd.toml:8: backoff.fastAttempts: expected a whole number, found a fraction
      HOME/.config/mcpd/mcpd.toml:9: backoff.resetSeconds: expected a number of seconds, found a text
      HOME/.config/mcpd/mcpd.toml:11: runtime.kind: kubernetes is not in this version, which runs processes and containers only
      HOME/.config/mcpd/mcpd.toml:12: runtime.process: expected a table
      HOME/.config/mcpd/mcpd.toml:14: listen.allowedHosts: entry 2: expected host names, such as mcpd.example.com, without a scheme or a path
      HOME/.config/mcpd/mcpd.toml:16: checks.intervalSeconds: must be 0.1 to 86400, is 0.01
      HOME/.config/mcpd/mcpd.toml:17: checks.byTransport: unknown name STDIO2, did you mean `STDIO`?
      HOME/.config/mcpd/mcpd.toml:18: checks.byPackage: gitea-mcp: must be an object, not a string; other.timeoutSeconds: must be a number from 0.01 to 600, not 0; other.tol: unknown field, did you mean `tool`?
      HOME/.config/mcpd/mcpd.toml:20: store.url: expected sqlite:PATH, no other database is in this version
      HOME/.config/mcpd/mcpd.toml:22: telemetry.format: expected one of text, json, did you mean `json`?
      MCPD_PROBES_POOLSIZE: unknown variable, did you mean `MCPD_PROBES_POOL_SIZE`?
      MCPD_RUNTIME_PROCESS_PASS_ENV: runtime.process.passEnv: entry 2: variables of mcpd itself are never passed to a server
      MCPD_PROBES_CALLS: probes.calls: must be 1 to 1000, is 9999
      MCPD_AUTH_OPEN_METRICS: auth.openMetrics: expected true or false, found a text
      --listen: listen.address: expected ADDR:PORT with a numeric address, such as 127.0.0.1:3100 or [::1]:3100
      --log: telemetry.log: expected a level (error, warn, info, debug, trace) or a list such as mcpd=debug,warn
    "#);
    assert!(!error.contains("hunter2"));
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    let home = Home::with_file("[listen]\naddress = \n[backoff]\nfastSecond = 1\n");
    insta::assert_snapshot!(home.refusal(&[]), @r#"
    configuration is refused:
      HOME/.config/mcpd/mcpd.toml:2: not TOML: string values must be quoted, expected literal string
      HOME/.config/mcpd/mcpd.toml:4: backoff.fastSecond: unknown key, did you mean `backoff.fastSeconds`?
    "#);
}

#[test]
fn a_file_that_was_named_has_to_exist_and_the_implied_one_has_not() {
    let home = Home(TempDir::new().unwrap());
    assert!(home.load(&[]).is_ok());
    let named = Sources { file: Some(home.file()), ..home.sources(&[]) };
    let error = load(&named).unwrap_err().to_string();
    assert!(error.contains("mcpd.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn a_file_larger_than_its_bound_is_refused() {
    let home = Home::with_file(&"# padding\n".repeat(200_000));
    assert!(home.refusal(&[]).contains("larger than 1048576 bytes"));
}

#[test]
fn the_names_that_were_there_before_are_honoured() {
    let home = Home(TempDir::new().unwrap());
    let config = home
        .load(&[
            ("MCPD_DATA_DIR", "/srv/mcpd"),
            ("MCPD_NODE_RUNNER_IMAGE", "node:22"),
            ("MCPD_PYTHON_RUNNER_IMAGE", "python:3.13"),
            ("MCPD_MCP_NETWORK", "tools"),
        ])
        .unwrap()
        .config;
    assert_eq!(config.data.dir, PathBuf::from("/srv/mcpd"));
    assert_eq!(config.runtime.node_runner_image.as_deref(), Some("node:22"));
    assert_eq!(config.runtime.python_runner_image.as_deref(), Some("python:3.13"));
    assert_eq!(config.runtime.network, "tools");
}

#[test]
fn variables_of_others_and_empty_ones_are_left_alone() {
    let home = Home(TempDir::new().unwrap());
    let foreign = [
        ("MCPD_URL", "http://127.0.0.1:3100"),
        ("MCPD_TOKEN", "t"),
        ("MCPD_TEST_SOMETHING", "1"),
        ("MCPD_SECRET_GITEA_CREDS_TOKEN", "t"),
        ("MCPD_SECRET_SHARED", "t"),
        ("MCPD_LISTEN_ADDRESS", ""),
        ("PATH", "/bin"),
    ];
    assert_eq!(home.load(&foreign).unwrap().config, home.load(&[]).unwrap().config);
}

#[test]
fn listening_beyond_loopback_has_to_be_meant() {
    let home = Home(TempDir::new().unwrap());
    let refusal = home.refusal(&[("MCPD_LISTEN_ADDRESS", "0.0.0.0:3100")]);
    assert!(refusal.contains("MCPD_LISTEN_ADDRESS: listen.address: lies beyond loopback"), "{refusal}");
    let meant = [("MCPD_LISTEN_ADDRESS", "0.0.0.0:3100"), ("MCPD_LISTEN_INSECURE", "true")];
    assert!(home.load(&meant).is_ok());
    assert!(home.load(&[("MCPD_LISTEN_ADDRESS", "[::1]:0")]).is_ok());
}

#[test]
fn without_a_home_the_data_folder_has_to_be_named() {
    let error = load(&Sources::default()).unwrap_err().to_string();
    assert!(error.contains("default: data.dir: no data folder: set --data-dir"), "{error}");
}

#[test]
fn what_is_printed_can_be_loaded_again_and_says_where_it_comes_from() {
    let home = Home::with_file(
        r#"
checks.byPackage."gitea-mcp" = { tool = "get_me", intervalSeconds = 7.5 }
checks.byImage."docker.example/a:1" = { tool = "x", arguments = { "odd \"key\"" = [1, true] } }
telemetry.format = "json"
"#,
    );
    let variables =
        [("MCPD_RUNTIME_PROCESS_PASS_ENV", "JAVA_HOME, GOROOT"), ("MCPD_RECONCILE_SCAN_SECONDS", "0x1")];
    let first = home.load(&variables[..1]).unwrap();
    let printed = first.to_toml();
    assert!(printed.contains("passEnv = [\"JAVA_HOME\", \"GOROOT\"]  # MCPD_RUNTIME_PROCESS_PASS_ENV\n"));
    assert_eq!(first.config.telemetry.format, LogFormat::Json);
    std::fs::write(home.file(), &printed).unwrap();
    assert_eq!(home.load(&[]).unwrap().config, first.config, "{printed}");
    assert!(home.refusal(&variables[1..]).contains("expected a number of seconds, found a text"));
}

#[test]
fn the_defaults_as_printed() {
    let printed = load(&Sources {
        environment: [("HOME".to_owned(), "/home/somebody".to_owned())].into(),
        ..Sources::default()
    })
    .unwrap()
    .to_toml();
    insta::assert_snapshot!(printed);
}

#[test]
fn the_schema_describes_every_key_and_nothing_else_is_allowed() {
    let schema = schema();
    for key in KEYS {
        let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
        let described = schema.pointer(&pointer).unwrap_or_else(|| panic!("{} is missing", key.path));
        assert!(described["description"].as_str().unwrap().starts_with(key.doc), "{}", key.path);
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["backoff"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["probes"]["properties"]["memoryMiB"]["maximum"], 512);
    assert_eq!(schema["properties"]["runtime"]["properties"]["kind"]["enum"][1], "process");
}
