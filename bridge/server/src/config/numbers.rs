//! What a trunk's section says of telephone numbers: how they are written, and where they stand.

use partyline_control::{NumberFormat, Numbers};
use partyline_sip::CalledPlace;
use toml::de::DeValue;

use super::document::{Findings, Walk};
use super::raw::RawTrunk;
use super::setting::{Setting, quoted};

pub(super) fn walk(numbers: &mut Numbers, walk: &mut impl Walk) {
    walk.checked("called_from", &mut numbers.called_from, |places| match places.as_slice() {
        [] => Err("expected at least one place, such as [\"request-uri\"]"),
        places if places.len() > MOST_PLACES => Err("expected at most eight places"),
        places if has_twice(places) => Err("names a place twice; remove one"),
        _ => Ok(()),
    });
    walk.setting("country", &mut numbers.country);
    walk.checked("national_prefix", &mut numbers.national_prefix, |prefix| {
        let fits = prefix.as_ref().is_none_or(|prefix| is_digits(prefix));
        if fits { Ok(()) } else { Err("expected digits such as \"0\", or \"\" for none") }
    });
    walk.checked("international", &mut numbers.international, |prefixes| {
        let fits = |prefix: &String| !prefix.is_empty() && is_digits(prefix);
        let rule = "expected what is dialled before the code of another country, such as [\"00\"]";
        if prefixes.len() <= MOST_PLACES && prefixes.iter().all(fits) { Ok(()) } else { Err(rule) }
    });
    walk.setting("number_format", &mut numbers.format);
    for (key, prefix) in
        [("prefix_in", &mut numbers.prefix_in), ("prefix_out", &mut numbers.prefix_out)]
    {
        walk.checked(key, prefix, |prefix| if is_keys(prefix) { Ok(()) } else { Err(KEYS) });
    }
    walk.setting("user_phone", &mut numbers.user_phone);
}

/// More places or prefixes than anybody has.
const MOST_PLACES: usize = 8;

const KEYS: &str = "expected up to 16 digits, * and #, such as \"1234#\"";

fn has_twice(places: &[CalledPlace]) -> bool {
    places.iter().enumerate().any(|(at, place)| places[..at].contains(place))
}

/// Whether this may stand before a number: no digits at all, too.
fn is_digits(prefix: &str) -> bool {
    prefix.len() <= 5 && prefix.bytes().all(|b| b.is_ascii_digit())
}

fn is_keys(prefix: &str) -> bool {
    prefix.len() <= 16 && prefix.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'))
}

impl Setting for NumberFormat {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("plus") => Ok(Self::Plus),
            Some("plain") => Ok(Self::Plain),
            Some("national") => Ok(Self::National),
            Some(prefix) if !prefix.is_empty() && is_digits(prefix) => {
                Ok(Self::Prefixed(prefix.into()))
            }
            Some(_) | None => Err("expected \"plus\" (+14165550100), \"plain\" (14165550100), \
                 \"national\" (as dialled in the trunk's country), or what stands before the country \
                 code, such as \"00\" (0014165550100)"
                .into()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Plus => "plus",
            Self::Plain => "plain",
            Self::National => "national",
            Self::Prefixed(prefix) => prefix,
        })
    }
}

/// Notes what of a trunk's numbers cannot work.
pub(super) fn check(trunk: &RawTrunk, findings: &Findings<'_>, path: &impl Fn(&str) -> String) {
    let add = |key: &str, message: &str| {
        let path = path(key);
        findings.add_at(&path, format!("{path}: {message}"));
    };
    let numbers = &trunk.numbers;
    if numbers.country.is_some() {
        return;
    }
    if numbers.national_prefix.is_some() {
        add(
            "national_prefix",
            "is of no use without country, whose numbers it stands before; add it",
        );
    }
    if numbers.format == NumberFormat::National {
        add("number_format", "\"national\" needs country, whose numbers have no code; add it");
    }
}

#[cfg(test)]
mod tests {
    use partyline_control::CountryCode;

    use super::super::Config;
    use super::*;

    const TRUNK: &str = "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.0/8\"]\n";

    fn numbers(keys: &str) -> Result<Numbers, Vec<String>> {
        let config = Config::parse(&format!("{TRUNK}{keys}"));
        let config = config
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let again = Config::parse(config.effective()).expect("as printed");
        assert_eq!(again.control.trunks[0].numbers, config.control.trunks[0].numbers);
        Ok(config.control.trunks[0].numbers.clone())
    }

    #[test]
    fn a_trunk_says_where_called_numbers_stand_and_what_they_look_like() {
        assert_eq!(numbers(""), Ok(Numbers::default()));
        let text = "called_from = [\"request-uri\", \"To\", \"diversion\", \"X-DID\"]\n\
                    country = \"+49\"\nnational_prefix = \"0\"\ninternational = [\"00\", \"010\"]\n\
                    prefix_in = \"4711#\"\nnumber_format = \"00\"\nprefix_out = \"9\"\nuser_phone = true\n";
        let found = numbers(text).expect("no fault");
        let places: Vec<_> = found.called_from.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["request-uri", "to", "diversion", "x-did"]);
        assert_eq!(found.country, "49".parse::<CountryCode>().ok());
        assert_eq!(found.national_prefix.as_deref(), Some("0"));
        assert_eq!((found.international.len(), found.prefix_in.as_str()), (2, "4711#"));
        assert_eq!(found.format, NumberFormat::Prefixed("00".into()));
        assert_eq!((found.prefix_out.as_str(), found.user_phone), ("9", true));
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_what_to_do() {
        for (keys, expected) in [
            ("called_from = []", "called_from: expected at least one place"),
            ("called_from = [\"from\"]", "called_from: expected a place such as \"request-uri\""),
            ("called_from = [\"to\", \"To\"]", "called_from: names a place twice; remove one"),
            ("country = \"Canada\"", "country: expected a country code such as \"44\""),
            ("national_prefix = \"0\"", "national_prefix: is of no use without country"),
            ("country = \"44\"\nnational_prefix = \"x\"", "national_prefix: expected digits"),
            ("international = [\"\"]", "international: expected what is dialled before"),
            ("number_format = \"e164\"", "number_format: expected \"plus\""),
            ("number_format = \"national\"", "number_format: \"national\" needs country"),
            ("prefix_out = \"9 \"", "prefix_out: expected up to 16 digits"),
            ("prefix_in = \"+1\"", "prefix_in: expected up to 16 digits"),
        ] {
            let found = numbers(keys).err().unwrap_or_default();
            assert_eq!(found.len(), 1, "{keys}: {found:?}");
            assert!(found[0].contains(expected), "{keys}: {found:?}");
        }
    }
}
