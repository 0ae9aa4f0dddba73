//! Images of a registry that asks for a login.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::error;
use crate::harness::{
    Engine, Launch, Place, SOON, contained, has_event, is_functional, is_skipped, until, with,
};

const USER: &str = "puller";
const PASSWORD: &str = "hunter22-hunter22";
/// Of user and password, as `htpasswd -B` writes it.
const LOGIN: &str = "$2y$04$yD3jlMCgBKhLLjKPRQA8Ou18NQkEsdUt2uKTJUsUx.4nE8vSgjx5a";

/// A registry on loopback, which ends with the test.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    #[expect(clippy::disallowed_methods, reason = "a registry is a program of this machine")]
    async fn start(folder: &Path) -> Self {
        // Free a moment ago; the registry can not be asked for any.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let (login, config) = (folder.join("login"), folder.join("registry.json"));
        fs::write(&login, format!("{USER}:{LOGIN}\n")).unwrap();
        let settings = json!({
            "version": 0.1, "storage": { "filesystem": { "rootdirectory": folder.join("registry") } },
            "http": { "addr": address }, "auth": { "htpasswd": { "realm": "mcpd-test", "path": login } },
        });
        fs::write(&config, settings.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), address };
        until("the registry listens", SOON, async || {
            tokio::net::TcpStream::connect(&registry.address).await.ok().map(drop)
        })
        .await;
        registry
    }

    /// Puts an image there, and takes it from the engine.
    fn push(&self, engine: &Engine, image: &str, folder: &Path) -> String {
        let name = format!("{}/mcpd-test/server:1", self.address);
        let config = ["--config", folder.to_str().unwrap()];
        engine.docker(&[&config[..], &["login", "-u", USER, "-p", PASSWORD, &self.address]].concat());
        engine.docker(&["tag", image, &name]);
        engine.docker(&[&config[..], &["push", &name]].concat());
        engine.docker(&["rmi", &name]);
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn credentials(password: &str) -> Value {
    json!({ "kind": "secret", "name": "regcred", "data": { "username": USER, "password": password } })
}

#[tokio::test]
async fn an_image_is_pulled_with_the_login_of_a_secret() {
    let Some(place) = Place::docked() else { return };
    if is_skipped("docker-registry", "docker") {
        return;
    }
    let (dock, folder) = (place.dock(), place.path().join("registry-of-test"));
    fs::create_dir(&folder).unwrap();
    let registry = Registry::start(&folder).await;
    let image = registry.push(&dock.engine, &dock.image.name, &folder);
    let fast = Launch::serve().variable("MCPD_BACKOFF_FAST_SECONDS", "1");
    let daemon = fast.start(&place).await;
    let server = with(contained("pulled", dock), "dockerImage", json!(image));
    daemon.apply(&[credentials("wrong-password"), with(server, "imagePullSecret", json!("regcred"))]).await;
    let refused = daemon.instance("pulled", |view| view["status"] == "ERROR").await;
    assert!(error(&refused).contains(&image), "{refused:#}");
    assert!(!refused.to_string().contains("wrong-password"), "{refused:#}");

    daemon.apply(&[credentials(PASSWORD)]).await;
    let view = daemon.instance("pulled", is_functional).await;
    assert_eq!(view["image"], image.as_str());
    assert!(has_event(&view, "Pulled", &image), "{:#}", view["events"]);
    assert!(!view.to_string().contains(PASSWORD));
    daemon.ctl("delete server pulled").await.done();
    dock.engine.docker(&["rmi", &image]);
}
