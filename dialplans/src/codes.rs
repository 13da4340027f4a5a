//! E.164 country codes, for people: which countries a listed prefix opens.

/// One code a line: its digits, a tab, the country.
const CODES: &str = include_str!("../plans/codes.tsv");

/// The whole table: digits of each country code and the country's name, in the digits' order.
pub fn country_codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    CODES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// The country codes that numbers beginning with `prefix` have: one for `44` or `4420`, nine for `4`.
pub fn codes_opened_by(prefix: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    country_codes().filter(move |(code, _)| code.starts_with(prefix) || prefix.starts_with(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_begins_another_and_prefixes_find_theirs() {
        assert!(country_codes().count() > 200);
        for (code, country) in country_codes() {
            assert_eq!(codes_opened_by(code).collect::<Vec<_>>(), [(code, country)]);
        }
        assert_eq!(codes_opened_by("4420").collect::<Vec<_>>(), [("44", "United Kingdom")]);
        assert!(codes_opened_by("4").count() > 8 && codes_opened_by("0").count() == 0);
        assert_eq!(codes_opened_by("999").count(), 0);
    }
}
