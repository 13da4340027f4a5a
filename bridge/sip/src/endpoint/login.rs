//! Who we are when a far end asks within a call, whoever began it (RFC 3261 §22.2).

use std::sync::Arc;

use super::Endpoint;
use crate::auth::Login;
use crate::event::DialogId;

impl Endpoint {
    /// Says who we are in a call that came in.
    pub fn set_login(&mut self, dialog: DialogId, login: Arc<Login>) {
        if let Some(dialog) = self.dialogs.get_mut(&dialog) {
            dialog.path.login = Some(login);
        }
    }

    /// The password behind `before` is another: calls that are up answer with it from now on.
    pub fn renew_login(&mut self, before: &Arc<Login>, login: &Arc<Login>) {
        let dialogs = self.dialogs.values_mut().map(|dialog| &mut dialog.path);
        let requests = self.outgoing.values_mut().map(|outgoing| &mut outgoing.path);
        for path in dialogs.chain(requests) {
            if path.login.as_ref().is_some_and(|known| Arc::ptr_eq(known, before)) {
                path.login = Some(Arc::clone(login));
            }
        }
    }
}
