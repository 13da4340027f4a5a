//! Refusing a change that would leave a running bridge without a directory.

use std::sync::Arc;

use partyline_directory::Pepper;

use super::change::Change;
use super::directory::snapshot;
use crate::StoreError;

impl Change {
    /// As [`Change::commit`], but only when the directory still holds together afterwards: a
    /// running bridge keeps the old one otherwise, and sees no change any more.
    ///
    /// # Errors
    /// [`StoreError::Directory`], [`StoreError::Database`]; none of the changes was made.
    pub async fn commit_checked(mut self) -> Result<(), StoreError> {
        self.check().await?;
        self.commit().await
    }

    /// Whether the directory would hold together with these changes.
    ///
    /// # Errors
    /// [`StoreError::Directory`], [`StoreError::Database`].
    pub async fn check(&mut self) -> Result<(), StoreError> {
        // Verifiers are compared, never computed: any pepper does.
        snapshot(&mut self.tx, Arc::new(Pepper::new(&[0; 32]))).await?;
        Ok(())
    }
}
