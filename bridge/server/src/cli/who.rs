//! Who runs a command.

use partyline_operations::{Actor, Via};

/// Longest name that is kept.
const MOST: usize = 64;

/// The user of the system, and who became that user by sudo.
pub(super) fn actor() -> Actor {
    let id = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let became = std::env::var("SUDO_USER").ok().filter(|_| id == 0);
    Actor { via: Via::Cli, name: name(&users, id, became.as_deref()) }
}

fn name(users: &str, id: u32, became: Option<&str>) -> String {
    let own = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(id)).then_some(name)
    });
    let own = own.map_or_else(|| format!("uid {id}"), str::to_owned);
    let all = match became {
        Some(who) => format!("{who} as {own}"),
        None => own,
    };
    all.chars().filter(|c| !c.is_control()).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_the_system_does_and_who_became_root_with_his_own_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/srv/anna:/bin/sh\nodd\n";
        assert_eq!(name(users, 1000, None), "anna");
        assert_eq!(name(users, 0, Some("anna")), "anna as root");
        assert_eq!(name(users, 7, None), "uid 7");
        assert_eq!(name("", 0, Some("a\u{1b}b")), "ab as uid 0");
    }
}
