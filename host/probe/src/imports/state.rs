//! `state`: the small memory of one probe about one server.

use mcpd_core::check::FailureKind;

use crate::calls::CallError;
use crate::context::CheckContext;
use crate::contract::state::Host;
use crate::contract::types::Failure;

impl Host for CheckContext {
    fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.state.find(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), Failure> {
        self.writable()?;
        Ok(self.state.set(key, value).map_err(CallError::from)?)
    }

    fn delete(&mut self, key: String) -> Result<(), Failure> {
        self.writable()?;
        self.state.delete(&key);
        Ok(())
    }
}

impl CheckContext {
    fn writable(&self) -> Result<(), CallError> {
        if self.is_check {
            return Ok(());
        }
        let message = "a probe writes no state while it is loaded";
        Err(CallError::new(FailureKind::Denied, "no-target", message))
    }
}
