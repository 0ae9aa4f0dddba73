//! Sees to it that the engine has an image, and tells how its pull gets on.

use std::collections::HashMap;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures::StreamExt as _;
use mcpd_core::secret::Redactor;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::endpoint::Docker;
use super::failure::{failed, status, within};
use super::registry::Reference;
use crate::runtime::{Progress, PullPolicy, RegistryCredentials, RuntimeError, StartProgress};

/// How long the engine may take to look an image up, on its own disk.
const INSPECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long a pull may stand still. There is no bound for the whole: a large image over a slow line takes what
/// it takes.
const PULL_IDLE_DEADLINE: Duration = Duration::from_mins(1);
/// How often the progress of a pull is told at most: as often as a person looks.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// Pulls at once: an engine loads three layers at a time, whoever they are for, so more of them would only wait there.
const PULLS_MAX: usize = 8;
/// One mcpd has one engine.
static PULLS: Semaphore = Semaphore::const_new(PULLS_MAX);
/// Layers whose progress is followed: engines themselves take 127 at most.
const LAYERS_MAX: usize = 256;

/// Returns once the engine has the image.
pub(super) async fn ensure(
    docker: &Docker,
    image: &str,
    pull: PullPolicy,
    credentials: Option<&RegistryCredentials>,
    progress: &Progress,
) -> Result<(), RuntimeError> {
    let reference = Reference::parse(image).map_err(|error| RuntimeError::EngineRefused {
        doing: format!("use image {image:?}"),
        reason: error.to_string(),
    })?;
    if pull == PullPolicy::Always || !is_there(docker, image, pull).await? {
        let pull = Pull { docker, image, reference: &reference, progress };
        pull.run(credentials).await?;
    }
    Ok(())
}

/// Whether the engine has the image; where it may not be pulled, a failure in the engine's words says so.
async fn is_there(docker: &Docker, image: &str, pull: PullPolicy) -> Result<bool, RuntimeError> {
    let doing = match pull {
        PullPolicy::Never => format!("use image {image} without pulling it"),
        PullPolicy::IfNotPresent | PullPolicy::Always => format!("look for image {image}"),
    };
    let found = async {
        match docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) && pull != PullPolicy::Never => Ok(false),
            Err(error) => Err(error),
        }
    };
    within(docker, &doing, INSPECT_DEADLINE, found).await
}

/// One pull.
struct Pull<'a> {
    docker: &'a Docker,
    image: &'a str,
    reference: &'a Reference,
    progress: &'a Progress,
}

impl Pull<'_> {
    async fn run(&self, credentials: Option<&RegistryCredentials>) -> Result<(), RuntimeError> {
        // Told before it waits for its turn, so that nothing else waits with it.
        self.tell(&Layers::default());
        // Nobody closes it.
        let _turn = PULLS.acquire().await;
        let began = Instant::now();
        let secrets = Redactor::new(credentials.map(|credentials| &credentials.password));
        self.follow(credentials).await.map_err(|error| masked(error, &secrets))?;
        // An engine may end the stream without a word of its failure.
        if !is_there(self.docker, self.image, PullPolicy::IfNotPresent).await? {
            return Err(self.refused("the engine ended the pull, and does not have the image"));
        }
        let image = self.image.to_owned();
        self.progress.tell(StartProgress::Pulled { image, took: began.elapsed() });
        Ok(())
    }

    /// Reads what the engine tells of the pull until it says no more.
    async fn follow(&self, credentials: Option<&RegistryCredentials>) -> Result<(), RuntimeError> {
        let options = CreateImageOptions {
            from_image: Some(self.reference.name()),
            tag: Some(self.reference.version().to_owned()),
            ..CreateImageOptions::default()
        };
        let login = credentials.map(|credentials| login(credentials, self.reference));
        let mut words = Box::pin(self.docker.create_image(Some(options), None, login));
        let mut layers = Layers::default();
        let mut told = Instant::now();
        loop {
            let Ok(word) = timeout(PULL_IDLE_DEADLINE, words.next()).await else {
                let seconds = PULL_IDLE_DEADLINE.as_secs();
                return Err(self.refused(&format!("nothing was heard of the pull for {seconds} s")));
            };
            match word {
                None => return Ok(()),
                Some(Ok(word)) => layers.take(word),
                Some(Err(error)) => return Err(self.failed(error)),
            }
            if told.elapsed() >= TELL_INTERVAL {
                told = Instant::now();
                self.tell(&layers);
            }
        }
    }

    fn tell(&self, layers: &Layers) {
        let (done_bytes, total_bytes) = layers.sum();
        self.progress.tell(StartProgress::Pulling { image: self.image.to_owned(), done_bytes, total_bytes });
    }

    fn failed(&self, error: Error) -> RuntimeError {
        failed(self.docker, &self.doing(), error)
    }

    fn refused(&self, reason: &str) -> RuntimeError {
        RuntimeError::EngineRefused { doing: self.doing(), reason: reason.to_owned() }
    }

    fn doing(&self) -> String {
        format!("pull image {}", self.image)
    }
}

fn login(credentials: &RegistryCredentials, reference: &Reference) -> DockerCredentials {
    DockerCredentials {
        username: Some(credentials.username.clone()),
        password: Some(credentials.password.expose().to_owned()),
        serveraddress: Some(reference.login_address().to_owned()),
        ..DockerCredentials::default()
    }
}

/// A registry's words are foreign: they may repeat what it was sent.
fn masked(error: RuntimeError, secrets: &Redactor) -> RuntimeError {
    match error {
        RuntimeError::EngineRefused { doing, reason } => {
            RuntimeError::EngineRefused { doing, reason: secrets.mask_owned(reason) }
        }
        other => other,
    }
}

/// How much of each layer is here, by its id.
#[derive(Default)]
struct Layers(HashMap<String, Layer>);

#[derive(Default)]
struct Layer {
    done: u64,
    total: u64,
}

impl Layers {
    /// Unpacking begins to count anew, so only the download is looked at.
    fn take(&mut self, word: CreateImageInfo) {
        let (Some(id), Some(status)) = (word.id, word.status) else { return };
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let detail = word.progress_detail.unwrap_or_default();
        match status.as_str() {
            "Downloading" if self.0.contains_key(&id) || self.0.len() < LAYERS_MAX => {
                let layer = self.0.entry(id).or_default();
                layer.done = number(detail.current).unwrap_or(layer.done);
                layer.total = number(detail.total).unwrap_or(layer.total).max(layer.done);
            }
            "Verifying Checksum" | "Download complete" | "Extracting" | "Pull complete" => {
                if let Some(layer) = self.0.get_mut(&id) {
                    layer.done = layer.total;
                }
            }
            _ => {}
        }
    }

    fn sum(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |(done, total), layer| {
            (done.saturating_add(layer.done), total.saturating_add(layer.total))
        })
    }
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "pull_tests.rs"]
mod pull_tests;
