//! What a trunk's section says of the statuses that refuse its calls.

use partyline_cdr_record::StatusCode;
use partyline_control::RejectCodes;
use toml::de::DeValue;

use super::document::Walk;
use super::setting::Setting;

/// The final statuses that say no and nothing else: none asks for another try of the same request,
/// or says that it was malformed.
const FIT: [u16; 12] = [403, 404, 410, 480, 484, 486, 500, 502, 503, 600, 603, 604];

pub(super) fn walk(reject: &mut RejectCodes, walk: &mut impl Walk) {
    let codes = &mut reject.codes;
    walk.setting("unknown_number", &mut codes.unknown_number);
    walk.setting("suspended", &mut codes.suspended);
    walk.setting("full", &mut codes.full);
    walk.setting("draining", &mut codes.draining);
    walk.setting("not_durable", &mut codes.not_durable);
    walk.setting("over_limit", &mut reject.over_limit);
}

impl Setting for StatusCode {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let code = u16::read(found).ok().filter(|code| FIT.contains(code));
        code.map(Self::new).ok_or_else(|| {
            let known = FIT.map(|code| code.to_string()).join(", ");
            format!("expected a SIP status that refuses a call: one of {known}")
        })
    }

    fn write(&self) -> Option<String> {
        Some(self.get().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const TRUNK: &str = "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.0/8\"]\n";

    #[test]
    fn calls_are_refused_as_the_trunk_says() {
        let parse = |keys: &str| Config::parse(&format!("{TRUNK}{keys}"));
        let usual = parse("").expect("no fault").control.trunks[0].reject;
        let codes = usual.codes;
        let all = [
            codes.unknown_number,
            codes.suspended,
            codes.full,
            codes.draining,
            codes.not_durable,
            usual.over_limit,
        ];
        assert_eq!(all.map(StatusCode::get), [404, 403, 486, 503, 503, 503]);
        let text = "[trunk.reject]\nfull = 600\nover_limit = 480\n";
        let config = parse(text).expect("no fault");
        let reject = config.control.trunks[0].reject;
        assert_eq!((reject.codes.full.get(), reject.over_limit.get()), (600, 480));
        assert_eq!(reject.codes.unknown_number.get(), 404);
        let again = Config::parse(config.effective()).expect("as printed");
        assert_eq!(again.control.trunks[0].reject, reject);
        for bad in ["full = 200", "full = 407", "full = \"486\"", "full = 70000"] {
            let found = parse(&format!("[trunk.reject]\n{bad}\n")).err().unwrap_or_default();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert!(found[0].contains("trunk[0].reject.full: expected a SIP status"), "{found:?}");
        }
    }
}
