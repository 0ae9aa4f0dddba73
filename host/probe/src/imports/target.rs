//! `target`: what is being checked.

use crate::context::CheckContext;
use crate::contract::target::Host;

impl Host for CheckContext {
    fn server(&mut self) -> String {
        self.target.server.clone()
    }

    fn instance(&mut self) -> String {
        self.target.instance.clone()
    }

    fn transport(&mut self) -> String {
        self.target.transport.clone()
    }

    fn protocol_version(&mut self) -> Option<String> {
        self.target.protocol_version.clone()
    }

    fn server_info(&mut self) -> Option<String> {
        self.target.server_info.clone()
    }

    fn info(&mut self) -> String {
        self.target.info.clone()
    }

    fn config(&mut self) -> String {
        self.target.config.clone()
    }

    fn tool(&mut self) -> Option<String> {
        self.target.tool.clone()
    }

    fn arguments(&mut self) -> String {
        self.target.arguments.clone()
    }

    fn remaining_ms(&mut self) -> u64 {
        u64::try_from(self.clock.remaining().as_millis()).unwrap_or(u64::MAX)
    }
}
