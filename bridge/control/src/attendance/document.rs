//! The document of a conference (RFC 4575 §5), always in full: it is short, and nobody who missed one
//! has to ask for the rest.

use partyline_conference::{Attendance, Attendee, AttendeeState};
use partyline_model::Role;

/// Writes a conference down; `entity` makes a URI of a name.
pub(super) fn write(
    attendance: &Attendance,
    version: u32,
    entity: impl Fn(&str) -> String,
) -> String {
    let mut out = String::with_capacity(512 + 420 * attendance.members.len());
    let conference = entity(&format!("conf-{}", attendance.conf_id));
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
    out.push_str(&format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{}\" \
             state=\"full\" version=\"{version}\">",
        escaped(&conference)
    ));
    let name = escaped(&attendance.name);
    out.push_str(&format!(
        "<conference-description><display-text>{name}</display-text></conference-description>"
    ));
    out.push_str(&format!(
        "<conference-state><user-count>{}</user-count></conference-state><users>",
        attendance.count
    ));
    for member in &attendance.members {
        user(&mut out, member, &escaped(&entity(&format!("leg-{}", member.leg_id))));
    }
    out.push_str("</users></conference-info>\r\n");
    out
}

/// One member: one leg is one user, with one endpoint and one stream of sound.
fn user(out: &mut String, member: &Attendee, entity: &str) {
    let shown = member.number.as_deref().map_or_else(|| "anonymous".to_owned(), escaped);
    let role = match member.role {
        Role::Moderator => "moderator",
        Role::Participant => "participant",
        Role::Listener => "listener",
    };
    let (status, media) = match member.state {
        AttendeeState::Talking => ("connected", "sendrecv"),
        AttendeeState::Muted => ("muted-via-focus", "recvonly"),
        AttendeeState::Away => ("on-hold", "inactive"),
    };
    let method = if member.was_called { "dialed-out" } else { "dialed-in" };
    out.push_str(&format!(
        "<user entity=\"{entity}\" state=\"full\"><display-text>{shown}</display-text>\
             <roles><entry>{role}</entry></roles><endpoint entity=\"{entity}\">\
             <status>{status}</status><joining-method>{method}</joining-method>\
             <media id=\"1\"><type>audio</type><status>{media}</status></media>\
             </endpoint></user>"
    ));
}

/// A text between tags or in quotes (XML 1.0 §2.4); characters that no document may have are left out
/// (§2.2).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use partyline_model::Uuid;

    use super::*;

    fn attendee(place: u128, number: Option<&str>, state: AttendeeState) -> Attendee {
        let number = number.map(str::to_owned);
        let role = if place == 1 { Role::Moderator } else { Role::Participant };
        Attendee { leg_id: Uuid(place), number, role, state, was_called: place == 3 }
    }

    fn written(name: &str) -> String {
        let attendance = Attendance {
            conf_id: Uuid(7),
            name: name.to_owned(),
            count: 120,
            members: vec![
                attendee(1, Some("1416•••••00"), AttendeeState::Talking),
                attendee(2, None, AttendeeState::Muted),
                attendee(3, Some("1416•••••99"), AttendeeState::Away),
            ],
        };
        write(&attendance, 4, |name| format!("sip:{name}@192.0.2.1:5060"))
    }

    #[test]
    fn a_document_says_who_is_there_and_how() {
        let text = written("Weekly");
        let head = "entity=\"sip:conf-00000000-0000-0000-0000-000000000007@192.0.2.1:5060\" \
                    state=\"full\" version=\"4\">";
        assert!(text.contains(head), "{text}");
        assert!(text.contains("<user-count>120</user-count>"));
        let users: Vec<&str> = text.split("<user ").skip(1).collect();
        assert_eq!(users.len(), 3);
        for (user, words) in users.iter().zip([
            ["1416•••••00", "moderator", "connected", "dialed-in", "sendrecv"],
            ["anonymous", "participant", "muted-via-focus", "dialed-in", "recvonly"],
            ["1416•••••99", "participant", "on-hold", "dialed-out", "inactive"],
        ]) {
            for word in words {
                assert!(user.contains(&format!(">{word}<")), "{word}: {user}");
            }
        }
    }

    #[test]
    fn no_name_can_be_anything_but_text() {
        let text = written("</display-text><user entity=\"x\">&\u{1}'\"\r\n]]>");
        let name =
            "&lt;/display-text&gt;&lt;user entity=&quot;x&quot;&gt;&amp;&apos;&quot;  ]]&gt;";
        assert!(text.contains(&format!("<display-text>{name}</display-text>")), "{text}");
        assert_eq!(text.matches("<user ").count(), 3);
    }

    #[test]
    fn a_document_of_all_that_are_listed_is_not_long() {
        let members = (0..100).map(|n| attendee(n, Some("1416•••••00"), AttendeeState::Talking));
        let attendance = Attendance {
            conf_id: Uuid(7),
            name: "n".repeat(128),
            count: 1000,
            members: members.collect(),
        };
        let text = write(&attendance, 1, |name| format!("sip:{name}@192.0.2.1:5060"));
        assert!(text.len() < 60_000, "{}", text.len());
    }
}
