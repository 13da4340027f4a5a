//! Whether a log filter names levels and parts that there are.
//!
//! `EnvFilter` takes any word for a part of the program: a mistyped level would silence the log.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The crates that log, ours and those below us; the other crates of ours are pure and say nothing.
const LOGGING: [&str; 11] = [
    "partyline",
    "partyline_cdr_store",
    "axum",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "hyper_util",
    "mio",
    "sqlx",
    "tokio",
];

const SHAPE: &str = "expected levels such as \"info\" or \"info,sqlx=warn\", without blanks";
const LEVEL: &str =
    "expected a level of error, warn, info, debug, trace or off, such as \"info,sqlx=warn\"";
const PART: &str = "expected levels, also by part as in \"info,partyline_cdr_store=debug\"; the \
                    parts that log are partyline, partyline_cdr_store, axum, hickory_net, \
                    hickory_proto, hickory_resolver, hyper, hyper_util, mio, sqlx and tokio";

/// Checks `filter`, in the syntax of `EnvFilter`.
pub(super) fn check(filter: &str) -> Result<(), &'static str> {
    EnvFilter::try_new(filter).map_err(|_| SHAPE)?;
    filter.split(',').filter(|part| !part.is_empty()).try_for_each(directive)
}

/// One of `level`, `part`, `part[span]`, `part=level`.
fn directive(text: &str) -> Result<(), &'static str> {
    let plain = !text.contains('[');
    if plain && LevelFilter::from_str(text).is_ok() {
        return Ok(());
    }
    let after = text.rfind(']').map_or(0, |at| at + 1);
    let level = text[after..].split_once('=').map(|(_, level)| level);
    if level.is_some_and(|level| LevelFilter::from_str(level.trim()).is_err()) {
        return Err(LEVEL);
    }
    let part = text.split(['[', '=']).next().unwrap_or_default();
    let name = part.split("::").next().unwrap_or_default().trim();
    let known = LOGGING.contains(&name) || (name.is_empty() && !plain);
    match (known, level) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(PART),
        (false, None) => Err(LEVEL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_parts_that_there_are_pass() {
        for filter in [
            "info",
            "WARN",
            "off",
            "info,partyline=debug",
            "info,partyline_cdr_store=trace",
            "partyline::serve=debug,sqlx=warn",
            "[call{leg=1}]=debug",
            "partyline[call]=trace,error",
            "debug,hyper=off",
        ] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn words_that_would_silence_the_log_do_not() {
        for (filter, why) in [
            ("verbose", LEVEL),
            ("inof", LEVEL),
            ("info,verbose", LEVEL),
            ("info,partylin=debug", PART),
            // A pure core: there is nothing to hear of it.
            ("info,partyline_sip=debug", PART),
        ] {
            assert_eq!(check(filter), Err(why), "{filter}");
        }
        assert!(check("partyline=loud").is_err());
        assert_eq!(check("info, sqlx=warn"), Err(SHAPE));
        assert!(check("info,partyline=debug=x").is_err());
    }
}
