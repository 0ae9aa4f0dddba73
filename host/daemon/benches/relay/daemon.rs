//! A whole mcpd, the built program, that runs one server; and `mcpctl` beside it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

/// The built daemon.
pub(crate) const MCPD: &str = env!("CARGO_BIN_EXE_mcpd");
/// The name of the server.
pub(crate) const SERVER: &str = "bench";

/// The server as a process of the host.
pub(crate) const PROCESS: &str =
    r#"[{"kind":"server","name":"bench","command":["mcpd","demo-server"],"healthCheck":{"tool":"whoami"}}]"#;
/// How often readiness is asked for, and how many times: 30 s in all.
const POLL: Duration = Duration::from_millis(100);
const POLLS_MAX: u32 = 300;

/// A running daemon; ended with this value.
pub(crate) struct Daemon {
    /// Where it listens, `ADDRESS:PORT`.
    pub(crate) address: String,
    /// What it wants to be shown.
    pub(crate) token: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon in a folder of its own, with one server, and waits until that is Ready. Containers are in
    /// `network`, and outlive the daemon.
    pub(crate) fn start(manifest: &str, network: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut process = program(MCPD)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--data-dir"])
            .arg(folder.path())
            .env("MCPD_MCP_NETWORK", network)
            .stderr(Stdio::piped())
            .spawn()?;
        let address = listening(&mut process)?;
        let token = fs::read_to_string(folder.path().join("admin.token"))?.trim().to_owned();
        let daemon = Self { address, token, process, _folder: folder };
        daemon.status_of("POST", "/api/v1/apply", manifest)?;
        for _ in 0..POLLS_MAX {
            if daemon.status_of("GET", &format!("/api/v1/servers/{SERVER}/health"), "")? == 200 {
                return Ok(daemon);
            }
            thread::sleep(POLL);
        }
        Err(io::Error::other("the server did not become Ready"))
    }

    /// A request as it goes over the wire.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        let Self { address, token, .. } = self;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    /// One call by the client program, from its start to its end.
    pub(crate) fn call_by(&self, mcpctl: &Path) {
        let output = program(mcpctl)
            .args(["call", SERVER, "echo", r#"{"text":"hello"}"#, "--token", &self.token, "--url"])
            .arg(format!("http://{}", self.address))
            .output()
            .expect("mcpctl ran");
        assert_eq!(output.stdout, b"hello\n", "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn status_of(&self, method: &str, path: &str, body: &str) -> io::Result<u16> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(self.request(method, path, body).as_bytes())?;
        let mut head = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut head)?;
        let status = std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other("no HTTP"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its guardians end its servers when it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The client program, where it was built beside the daemon.
pub(crate) fn mcpctl() -> Option<PathBuf> {
    Some(Path::new(MCPD).with_file_name("mcpctl")).filter(|path| path.exists())
}

fn listening(process: &mut Child) -> io::Result<String> {
    let stderr = process.stderr.take().ok_or_else(|| io::Error::other("stderr is piped"))?;
    let mut lines = BufReader::new(stderr).lines();
    let address = loop {
        let line = lines.next().ok_or_else(|| io::Error::other("mcpd ended before it listened"))??;
        if let Some(address) = line.strip_prefix("listening on http://") {
            break address.to_owned();
        }
    };
    // Read to the end, so that mcpd never waits for somebody to read.
    thread::spawn(move || lines.for_each(drop));
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark of programs has to start them")]
pub(crate) fn program(path: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    std::process::Command::new(path)
}
