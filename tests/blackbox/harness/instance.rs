//! What views of instances say, in the words of the tests.

use std::time::Duration;

use serde_json::Value;

use super::daemon::Daemon;
use super::wait::{SOON, until_some};

impl Daemon {
    /// The instances of a server.
    pub(crate) async fn instances(&self, server: &str) -> Vec<Value> {
        let answer = self.get(&format!("/instances?server={server}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["items"].as_array().unwrap().clone()
    }

    /// The one instance of a server as soon as it is as it should be.
    ///
    /// # Panics
    /// With what it is instead, when that takes too long.
    pub(crate) async fn instance(&self, server: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        self.instance_within(SOON, server, is_right).await
    }

    /// The same with more patience, for servers that are fetched first.
    pub(crate) async fn instance_within(
        &self,
        within: Duration,
        server: &str,
        is_right: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let right = until_some(within, async || {
            last = self.instances(server).await.pop().unwrap_or_default();
            is_right(&last).then(|| last.clone())
        })
        .await;
        right.unwrap_or_else(|| panic!("{server} did not become what it should be: {last:#}"))
    }

    /// The last checks of an instance, newest first.
    pub(crate) async fn checks(&self, instance: &Value) -> Vec<Value> {
        let answer = self.get(&format!("/instances/{}/checks", id(instance))).await;
        answer.body["items"].as_array().cloned().unwrap_or_default()
    }
}

pub(crate) fn id(instance: &Value) -> &str {
    instance["id"].as_str().unwrap()
}

pub(crate) fn pid(instance: &Value) -> i32 {
    i32::try_from(instance["pid"].as_i64().unwrap()).unwrap()
}

pub(crate) fn is_healthy(instance: &Value) -> bool {
    instance["healthStatus"] == "healthy"
}

/// Healthy, Ready and proven by a real call.
pub(crate) fn is_functional(instance: &Value) -> bool {
    is_healthy(instance) && instance["ready"] == true && condition(instance, "Functional") == "True"
}

/// Status of a condition.
pub(crate) fn condition<'a>(instance: &'a Value, name: &str) -> &'a str {
    let conditions = instance["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == name);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// Message of the last check.
pub(crate) fn message(instance: &Value) -> &str {
    instance["lastCheck"]["message"].as_str().unwrap_or_default()
}

/// Whether an event of this reason holds these words.
pub(crate) fn has_event(instance: &Value, reason: &str, words: &str) -> bool {
    let events = instance["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().any(|event| {
        event["reason"] == reason && event["message"].as_str().is_some_and(|text| text.contains(words))
    })
}
