//! The id of this mcpd, by which it knows what it owns (behaviour 5.8).

use std::fmt::Write as _;

use super::{MetaKey, Store, StoreError};
use crate::chance::random_bytes;

/// Bytes of chance in an id: enough that no two mcpd on one engine ever share one.
const OWNER_ID_BYTES: usize = 10;

/// The id that is kept in the store; made on the first call, 20 hexadecimal characters.
///
/// Only the holder of the data folder's lock calls this, so that no two make one at the same time.
pub async fn owner_id(store: &dyn Store) -> Result<String, StoreError> {
    if let Some(id) = store.find_meta(MetaKey::OwnerId).await? {
        return Ok(id);
    }
    let doing = || "making the id of this mcpd".to_owned();
    let chance = random_bytes::<OWNER_ID_BYTES>()
        .map_err(|error| StoreError::Failed { doing: doing(), source: error.into() })?;
    let id = chance.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    store.put_meta(MetaKey::OwnerId, &id).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::owner_id;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn it_is_made_once_for_each_store() {
        let (one, two) = (MemoryStore::default(), MemoryStore::default());
        let id = owner_id(&one).await.unwrap();
        assert_eq!(id.len(), 20);
        assert_eq!(owner_id(&one).await.unwrap(), id);
        assert_ne!(owner_id(&two).await.unwrap(), id);
    }
}
