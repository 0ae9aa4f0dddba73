//! Pulls from a real registry on loopback, and from an engine that misbehaves.

use std::sync::{Arc, Mutex};

use mcpd_core::secret::SecretValue;

use super::super::scripted::{Scripted, Turn, json, stream};
use super::*;

/// Keeps what is told of a start.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<StartProgress>>>);

impl Told {
    fn progress(&self) -> Progress {
        let told = Arc::clone(&self.0);
        Progress(Arc::new(move |progress| told.lock().unwrap().push(progress)))
    }

    fn all(&self) -> Vec<StartProgress> {
        self.0.lock().unwrap().clone()
    }
}

fn credentials(password: &str) -> RegistryCredentials {
    RegistryCredentials { username: "robot".to_owned(), password: SecretValue::new(password.to_owned()) }
}

async fn pull(engine: &Scripted, image: &str) -> Result<(), String> {
    let ensured = ensure(&engine.docker, image, PullPolicy::Always, None, &Progress::default()).await;
    ensured.map_err(|error| error.to_string())
}

fn there() -> Turn {
    Turn::Say(json("200 OK", r#"{"Id":"sha256:1"}"#))
}

fn absent() -> Turn {
    Turn::Say(json("404 Not Found", r#"{"message":"No such image: a:latest"}"#))
}

#[tokio::test]
async fn an_image_that_is_there_is_not_pulled() {
    let engine = Scripted::new([there()]);
    let told = Told::default();
    ensure(&engine.docker, "a", PullPolicy::IfNotPresent, None, &told.progress()).await.unwrap();
    assert!(engine.asked()[0].starts_with("GET /images/a/json HTTP/1.1\r\n"), "{}", engine.asked()[0]);
    assert_eq!(told.all(), []);
}

#[tokio::test]
async fn an_image_that_is_never_pulled_and_not_there_is_refused_in_the_engines_words() {
    let engine = Scripted::new([absent()]);
    let refused = ensure(&engine.docker, "a", PullPolicy::Never, None, &Progress::default()).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "cannot use image a without pulling it: No such image: a:latest"
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_is_pulled_by_its_whole_name_with_its_login() {
    let engine = Scripted::new([absent(), Turn::Say(stream(b"{\"status\":\"Done\"}\r\n")), there()]);
    let login = credentials("p?ss>w~rd?>~~");
    let told = Told::default();
    ensure(&engine.docker, "a", PullPolicy::IfNotPresent, Some(&login), &told.progress()).await.unwrap();
    let asked = engine.asked()[1].clone();
    assert!(
        asked.starts_with("POST /images/create?fromImage=docker.io%2Flibrary%2Fa&tag=latest&platform= "),
        "{asked}"
    );
    let header = asked.lines().find_map(|line| line.strip_prefix("x-registry-auth: ")).unwrap();
    assert!(!header.contains(['+', '/']) && header.contains(['-', '_']), "{header}");
    let [StartProgress::Pulling { done_bytes: 0, total_bytes: 0, .. }, StartProgress::Pulled { image, .. }] =
        &told.all()[..]
    else {
        panic!("{:?}", told.all())
    };
    assert_eq!(image, "a");
}

#[tokio::test]
async fn a_failure_within_the_stream_is_one_of_the_pull() {
    let words = b"{\"status\":\"Pulling\",\"id\":\"a\"}\r\n{\"errorDetail\":{\"message\":\"no space left on device\"},\"error\":\"no space left on device\"}\r\n";
    let engine = Scripted::new([Turn::Say(stream(words))]);
    assert_eq!(pull(&engine, "a").await.unwrap_err(), "cannot pull image a: no space left on device");
}

#[tokio::test]
async fn a_pull_that_ends_without_a_word_and_without_an_image_has_failed() {
    let engine = Scripted::new([Turn::Say(stream(b"{\"error\":\"unsaid\"}\r\n")), absent()]);
    assert_eq!(
        pull(&engine, "a").await.unwrap_err(),
        "cannot pull image a: the engine ended the pull, and does not have the image"
    );
}

#[tokio::test]
async fn a_stream_that_is_no_json_has_failed() {
    let engine = Scripted::new([Turn::Say(stream(b"<html>\r\n"))]);
    let words = pull(&engine, "a").await.unwrap_err();
    assert!(words.starts_with("cannot pull image a: "), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_stands_still_is_given_up_after_a_minute() {
    let engine = Scripted::new([Turn::SayAndHang(stream(b"{\"status\":\"Pulling\",\"id\":\"a\"}\r\n"))]);
    assert_eq!(
        pull(&engine, "a").await.unwrap_err(),
        "cannot pull image a: nothing was heard of the pull for 60 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pull_says_so_before_it_waits_for_its_turn() {
    let turns = PULLS.acquire_many(u32::try_from(PULLS_MAX).unwrap()).await.unwrap();
    let engine = Scripted::new([]);
    let told = Told::default();
    let progress = told.progress();
    let mut pulled = Box::pin(ensure(&engine.docker, "a", PullPolicy::Always, None, &progress));
    assert!(timeout(PULL_IDLE_DEADLINE * 2, &mut pulled).await.is_err());
    assert_eq!((told.all().len(), engine.asked().len()), (1, 0));
    drop(turns);
}

#[tokio::test]
async fn a_registry_that_repeats_the_password_does_not_get_it_into_the_error() {
    let body = r#"{"message":"unauthorized: robot:hunter2hunter2 is wrong"}"#;
    let engine = Scripted::new([Turn::Say(json("401 Unauthorized", body))]);
    let login = credentials("hunter2hunter2");
    let progress = Progress::default();
    let refused = ensure(&engine.docker, "ghcr.io/a/b", PullPolicy::Always, Some(&login), &progress).await;
    let words = refused.unwrap_err().to_string();
    assert_eq!(
        words,
        format!("cannot pull image ghcr.io/a/b: unauthorized: robot:{} is wrong", mcpd_core::secret::MASK)
    );
}

#[tokio::test]
async fn what_is_no_name_of_an_image_never_reaches_the_engine() {
    let engine = Scripted::new([]);
    assert_eq!(
        pull(&engine, "../containers/x").await.unwrap_err(),
        "cannot use image \"../containers/x\": the registry in an image's name is a host, with a port where it has one"
    );
}

fn word(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
    let progress_detail =
        (total > 0).then_some(bollard::models::ProgressDetail { current: Some(current), total: Some(total) });
    CreateImageInfo {
        id: Some(id.to_owned()),
        status: Some(status.to_owned()),
        progress_detail,
        error_detail: None,
    }
}

#[test]
fn progress_is_the_sum_of_the_layers_and_never_goes_back() {
    let mut layers = Layers::default();
    let mut sums = Vec::new();
    for word in [
        word("a", "Pulling fs layer", 0, 0),
        word("a", "Downloading", 10, 100),
        word("b", "Downloading", 5, 50),
        word("a", "Downloading", 90, 100),
        word("a", "Verifying Checksum", 0, 0),
        word("a", "Extracting", 3, 100),
        word("b", "Pull complete", 0, 0),
        word("c", "Already exists", 0, 0),
        word("b", "Downloading", -3, -50),
    ] {
        layers.take(word);
        sums.push(layers.sum());
    }
    let (a, ab) = ((10, 100), (150, 150));
    assert_eq!(sums, [(0, 0), a, (15, 150), (95, 150), (105, 150), (105, 150), ab, ab, ab]);
}

#[test]
fn endless_layers_cost_no_endless_memory() {
    let mut layers = Layers::default();
    for number in 0..10_000 {
        layers.take(word(&number.to_string(), "Downloading", 1, 2));
    }
    assert_eq!(layers.sum(), (LAYERS_MAX as u64, 2 * LAYERS_MAX as u64));
}
