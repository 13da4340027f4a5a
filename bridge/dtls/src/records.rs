//! The records of a datagram (RFC 6347 §4.1), as far as it takes to leave some out.

use std::borrow::Cow;

/// Type, version, epoch, number and length.
const HEADER: usize = 13;
/// The type of an alert.
const ALERT: u8 = 21;

/// The datagram without the alerts that nobody protected, and how many those were. Anybody can write
/// one, and whoever believes it gives a handshake up (RFC 6347 §4.1.2.7).
///
/// What is no record stays, with all behind it.
pub(crate) fn without_plain_alerts(datagram: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let (mut kept, mut alerts, mut rest) = (Vec::new(), 0, datagram);
    while let Some((record, behind)) = first(rest) {
        if let [ALERT, _, _, 0, 0, ..] = record {
            alerts += 1;
        } else {
            kept.extend_from_slice(record);
        }
        rest = behind;
    }
    if alerts == 0 {
        return (Cow::Borrowed(datagram), 0);
    }
    kept.extend_from_slice(rest);
    (Cow::Owned(kept), alerts)
}

/// The first record, and what follows it.
fn first(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = datagram.get(HEADER - 2..HEADER)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    datagram.split_at_checked(HEADER + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        let header = [kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 9, 0, length];
        [&header[..], body].concat()
    }

    #[test]
    fn plain_alerts_are_left_out_wherever_they_stand() {
        let (alert, hello) = (record(ALERT, 0, &[2, 40]), record(22, 0, &[1; 40]));
        let (secret, tail) = (record(ALERT, 1, &[9; 30]), vec![ALERT, 254, 253, 0, 0]);
        for (parts, left, alerts) in [
            (vec![&alert], vec![], 1),
            (vec![&alert, &alert], vec![], 2),
            (vec![&hello, &alert, &secret], vec![&hello, &secret], 1),
            (vec![&alert, &hello], vec![&hello], 1),
            (vec![&hello, &secret], vec![&hello, &secret], 0),
            (vec![&alert, &tail], vec![&tail], 1),
            (vec![&tail], vec![&tail], 0),
            (vec![], vec![], 0),
        ] {
            let join = |parts: Vec<&Vec<u8>>| parts.into_iter().flatten().copied().collect();
            let (datagram, left): (Vec<u8>, Vec<u8>) = (join(parts), join(left));
            assert_eq!(without_plain_alerts(&datagram), (Cow::from(left), alerts));
        }
    }

    proptest! {
        #[test]
        fn any_octets_can_be_looked_through(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (left, alerts) = without_plain_alerts(&datagram);
            prop_assert!(left.len() + alerts * HEADER <= datagram.len());
        }
    }
}
