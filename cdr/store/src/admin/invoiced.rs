//! Which legs stand on which invoice.

use std::collections::BTreeMap;

use partyline_model::{AccountId, Uuid};
use sqlx::Row;

use crate::StoreError;
use crate::store::{Store, int, unsigned};

impl Store {
    /// The legs of an account with a charge on an issued invoice, and that invoice's series and
    /// number.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn invoiced_legs(
        &self,
        account: AccountId,
    ) -> Result<BTreeMap<Uuid, (String, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT leg_id, series, number FROM invoiced \
             JOIN invoice USING (series, number) WHERE account_id = ?",
        );
        let rows = rows.bind(int(account.0)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let leg: &[u8] = row.try_get("leg_id")?;
                let leg = leg.try_into().map_err(|_| StoreError::Column("leg_id"))?;
                let invoice = (row.try_get("series")?, unsigned(row, "number")?);
                Ok((Uuid(u128::from_be_bytes(leg)), invoice))
            })
            .collect()
    }
}
