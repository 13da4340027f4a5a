//! Q.850 causes and SIP statuses: the map of RFC 3398 and the Reason header of RFC 3326.

use crate::message::{Headers, Name, Params, Status};

/// The cause that a gateway gives for a failure status (RFC 3398 §8.2.6.1).
pub fn cause_of(status: Status) -> Option<u8> {
    Some(match status.code() {
        400 | 481 | 500 | 503 => 41,
        401..=403 | 407 | 603 => 21,
        404 | 604 => 1,
        405 | 501 => 63,
        406 | 415 | 416 | 505 | 420 | 421 | 423 | 606 => 127,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 482 | 513 => 127,
        480 => 18,
        483 => 25,
        484 => 28,
        485 => 1,
        486 | 600 => 17,
        487 => 127,
        488 => 65,
        502 => 38,
        _ => return None,
    })
}

/// The failure status for a cause (RFC 3398 §7.2.4.1).
pub fn status_of(cause: u8) -> Status {
    match cause {
        1..=3 => Status::NOT_FOUND,
        17 => Status::BUSY_HERE,
        18 => Status::REQUEST_TIMEOUT,
        19 | 20 | 31 => Status::TEMPORARILY_UNAVAILABLE,
        21 | 55 | 57 | 87 => Status::FORBIDDEN,
        22 | 23 => Status::GONE,
        26 => Status::NOT_FOUND,
        27 => Status::BAD_GATEWAY,
        28 => Status::ADDRESS_INCOMPLETE,
        29 | 79 => Status::NOT_IMPLEMENTED,
        34 | 38 | 41 | 42 | 47 | 58 => Status::SERVICE_UNAVAILABLE,
        65 | 70 => Status::NOT_ACCEPTABLE_HERE,
        102 => Status::SERVER_TIMEOUT,
        _ => Status::SERVER_ERROR,
    }
}

/// The cause in the Reason headers (RFC 3326): of `Q.850;cause=16`, else of a failure such as
/// `SIP;cause=503`.
pub(crate) fn read_reason(headers: &Headers) -> Option<u8> {
    let of = |protocol: &str| {
        let reasons = headers.items(&Name::Reason);
        let mut causes = reasons.filter_map(move |reason| {
            let (name, params) = reason.split_at(reason.find(';')?);
            let params = Params::parse(params).ok()?;
            let is_its = name.trim().eq_ignore_ascii_case(protocol);
            is_its.then(|| params.value("cause")?.parse::<u16>().ok())?
        });
        causes.next()
    };
    let q850 = of("Q.850").and_then(|cause| u8::try_from(cause).ok()).filter(|cause| *cause < 128);
    q850.or_else(|| cause_of(Status::new(of("SIP")?)?))
}

/// The Reason header's value for a cause.
pub(crate) fn write_reason(cause: u8) -> String {
    format!("Q.850;cause={cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_headers_are_read_among_others() {
        let mut headers = Headers::default();
        headers.add(Name::Reason, "SIP;cause=200;text=\"a, b\", q.850 ; cause=17 ;text=\"busy\"");
        assert_eq!(read_reason(&headers), Some(17));
        let mut wrong = Headers::default();
        wrong.add(Name::Reason, "Q.850;cause=999");
        assert_eq!(read_reason(&wrong), None);
    }

    #[test]
    fn common_causes_go_both_ways() {
        for (cause, status) in
            [(1, Status::NOT_FOUND), (17, Status::BUSY_HERE), (65, Status::NOT_ACCEPTABLE_HERE)]
        {
            assert_eq!(status_of(cause), status);
            assert_eq!(cause_of(status), Some(cause));
        }
        assert_eq!(cause_of(Status::OK), None);
    }
}
