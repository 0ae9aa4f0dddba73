//! What a program has said so far on one of its streams.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;

const CHUNK_BYTES: usize = 16 << 10;

/// Grows while the program talks.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Reads the stream to its end, on a thread of its own: a program whose pipe is full would wait.
    pub(crate) fn read(mut stream: impl Read + Send + 'static) -> Self {
        let said = Self::default();
        let kept = said.clone();
        thread::spawn(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                kept.0.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        said
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// What follows `start` on the first whole line that begins so.
    pub(crate) fn after(&self, start: &str) -> Option<String> {
        let text = self.text();
        let whole = text.rsplit_once('\n')?.0;
        whole.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
    }
}
