//! Passcodes: made, replaced, and shown to those who may see them. No error repeats their digits.

use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::{Change, PasscodeRow, Strength};
use partyline_cdr_store::keys::Keys;
use partyline_directory::{Conference, UnusablePasscode, Weakness, usable_passcode, weak_passcode};
use partyline_model::{ConferenceId, Number, PasscodeId, Role};
use zeroize::Zeroizing;

use crate::{NumberingError, Operations};

/// Whose passcodes a conference has.
const ROLES: [Role; 2] = [Role::Moderator, Role::Participant];

/// The digits of new passcodes; random ones where none are given.
pub struct Codes {
    /// For the moderator.
    pub moderator: Option<Zeroizing<String>>,
    /// For the participants.
    pub participant: Option<Zeroizing<String>>,
    /// How many digits a random one has.
    pub length: usize,
    /// Whether digits that are easy to guess are taken.
    pub strength: Strength,
}

/// New passcodes for a conference, in place of those it has.
pub struct NewPasscodes {
    /// Which.
    pub conference: ConferenceId,
    /// Only this one is replaced; `None`: those whose digits are given, else all.
    pub role: Option<Role>,
    /// Their digits.
    pub codes: Codes,
}

/// The digits of a passcode, for whoever may see them.
pub struct RolePasscode {
    /// Whom it makes of a caller.
    pub role: Role,
    /// Its digits, wiped when dropped.
    pub digits: Zeroizing<String>,
}

/// Why digits are refused.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// No caller could type them.
    #[error(transparent)]
    Unusable(#[from] UnusablePasscode),
    /// The digits themselves are easy to guess.
    #[error("too easy to guess: {0}; leave it out for a random one, or insist")]
    Weak(Weakness),
    /// A slip of a digit would make a moderator of a participant.
    #[error(
        "too easy to guess: one digit turns it into the other passcode of the conference; leave it \
         out for a random one, or insist"
    )]
    Near,
    /// Moderator and participants would be the same.
    #[error(
        "the conference has these digits already; moderators and participants need different \
         ones, or all would be the same"
    )]
    Twice,
    /// They open another conference.
    #[error("in use by another conference; leave it out for a random one")]
    Taken,
    /// The store fails.
    #[error(transparent)]
    Store(StoreError),
}

/// Why there are no new passcodes.
#[derive(Debug, thiserror::Error)]
pub enum PasscodeError {
    /// The digits are refused.
    #[error("{role} passcode: {why}", role = .role.as_str())]
    Digits {
        /// Whose.
        role: Role,
        /// Why.
        why: CodeError,
    },
    /// Digits were given for one that is to stay.
    #[error("{} alone leaves the other passcode alone; give no digits for it", .0.as_str())]
    OneOnly(Role),
    /// New numbers are not given now.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operations<'_> {
    /// Gives a conference new passcodes; those that they replace stop working.
    ///
    /// # Errors
    /// [`PasscodeError::Digits`], [`PasscodeError::OneOnly`].
    pub async fn new_passcodes(
        &self,
        request: &NewPasscodes,
    ) -> Result<(Conference, Vec<RolePasscode>), PasscodeError> {
        let NewPasscodes { conference, role, codes } = request;
        let roles = codes.roles(*role)?;
        let mut change = self.numbering().await?;
        let conference = self.store.conference(*conference).await?;
        let before = self.store.passcodes(conference.id).await?;
        let replaced = |row: &&PasscodeRow| roles.contains(&row.role);
        for old in before.iter().filter(replaced) {
            change.retire_passcode(old.id).await?;
        }
        let made = self.add_codes(&mut change, conference.id, codes, &roles).await?;
        change.commit_checked().await?;
        Ok((conference, made))
    }

    /// The passcodes of a conference, in clear. The audit log says who saw them.
    ///
    /// # Errors
    /// [`StoreError`]: they cannot be unsealed, or the store fails.
    pub async fn show_passcodes(
        &self,
        conference: ConferenceId,
    ) -> Result<Vec<RolePasscode>, StoreError> {
        let mut change = self.change().await?;
        let shown = change.show_passcodes(self.keys, conference).await?;
        // They are shown only if that is written down.
        change.commit().await?;
        let shown = shown.into_iter().map(|(role, digits)| RolePasscode { role, digits }).collect();
        Ok(shown)
    }

    /// Adds a passcode for each role to a new conference.
    pub(crate) async fn add_all_codes(
        &self,
        change: &mut Change,
        conference: ConferenceId,
        codes: &Codes,
    ) -> Result<Vec<RolePasscode>, PasscodeError> {
        self.add_codes(change, conference, codes, &ROLES).await
    }

    async fn add_codes(
        &self,
        change: &mut Change,
        conference: ConferenceId,
        codes: &Codes,
        roles: &[Role],
    ) -> Result<Vec<RolePasscode>, PasscodeError> {
        let dial_ins = self.store.dial_ins().await?;
        let dial_ins: Vec<Number> = dial_ins.into_iter().map(|dial_in| dial_in.number).collect();
        let adding = AddingCodes { keys: self.keys, dial_ins: &dial_ins, strength: codes.strength };
        let mut made = Vec::new();
        for &role in roles {
            let digits = match codes.given(role) {
                Some(digits) => {
                    let added = adding.given(change, conference, role, digits).await;
                    added.map_err(|why| PasscodeError::Digits { role, why })?;
                    digits.clone()
                }
                None => {
                    let length = Some(codes.length);
                    change.add_random_passcode(self.keys, conference, role, length).await?.1
                }
            };
            made.push(RolePasscode { role, digits });
        }
        Ok(made)
    }
}

impl Codes {
    /// Whose passcodes are meant: `only`, else those whose digits are given, else all.
    fn roles(&self, only: Option<Role>) -> Result<Vec<Role>, PasscodeError> {
        let given: Vec<_> = ROLES.into_iter().filter(|&role| self.given(role).is_some()).collect();
        match only {
            Some(only) if given.iter().any(|&role| role != only) => {
                Err(PasscodeError::OneOnly(only))
            }
            Some(only) => Ok(vec![only]),
            None if given.is_empty() => Ok(ROLES.to_vec()),
            None => Ok(given),
        }
    }

    fn given(&self, role: Role) -> Option<&Zeroizing<String>> {
        match role {
            Role::Moderator => self.moderator.as_ref(),
            Role::Participant => self.participant.as_ref(),
            Role::Listener => None,
        }
    }
}

/// Adds given digits, and says why when they are refused.
pub struct AddingCodes<'a> {
    /// What they are kept by.
    pub keys: &'a Keys,
    /// The numbers that callers dial: no passcode may be part of one.
    pub dial_ins: &'a [Number],
    /// Whether digits that are easy to guess are taken.
    pub strength: Strength,
}

impl AddingCodes<'_> {
    /// Adds `digits`.
    ///
    /// # Errors
    /// Why they are refused and what to do, without the digits.
    pub async fn given(
        &self,
        change: &mut Change,
        conference: ConferenceId,
        role: Role,
        digits: &str,
    ) -> Result<PasscodeId, CodeError> {
        usable_passcode(digits)?;
        match change.add_passcode(self.keys, conference, role, digits, self.strength).await {
            Ok(id) => Ok(id),
            Err(StoreError::PasscodeWeak) => {
                Err(weak_passcode(digits, self.dial_ins).map_or(CodeError::Near, CodeError::Weak))
            }
            Err(StoreError::PasscodeTwice) => Err(CodeError::Twice),
            Err(StoreError::PasscodeTaken) => Err(CodeError::Taken),
            Err(error) => Err(CodeError::Store(error)),
        }
    }
}
