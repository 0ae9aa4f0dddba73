//! Waiting for a state, never for a moment.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Between two looks. Looking again and again is right here: what is waited for is a state of another process
/// (a view, a line, a process that is gone), most of which tell nobody when they change.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Long enough for whatever takes moments when the machine is not busy with all the other tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What `look` finds, once it finds something.
///
/// # Panics
/// With `what`, when that takes longer than `within`.
pub(crate) async fn until<T>(what: &str, within: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_some(within, look).await.unwrap_or_else(|| panic!("not within {within:?}: {what}"))
}

/// The same, and none when it takes longer.
pub(crate) async fn until_some<T>(within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(within, found).await.ok()
}
