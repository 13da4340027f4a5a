//! Who is in a conference, as its members may see it.

mod common;

use common::{LISTENER, MODERATOR, PARTICIPANT, World, secs};
use partyline_conference::{AttendeeState, Input, Output};
use partyline_model::{CallId, Role, SessionId};

/// How each member takes part, in the order of joining.
fn states(world: &World, call: CallId) -> Vec<AttendeeState> {
    let room = world.bridge.session_of(call).expect("in a conference");
    let attendance = world.bridge.attendance(room, 100).expect("it is in session");
    attendance.members.iter().map(|member| member.state).collect()
}

/// Whether members may see a change since the last look.
fn changed(world: &mut World, room: SessionId) -> bool {
    let told = world.outputs(|output| *output == Output::Attendance { session: room }) > 0;
    world.log.clear();
    told
}

#[test]
fn members_are_shown_with_role_and_state_and_no_whole_number() {
    let mut world = World::new();
    let waiting = world.join(PARTICIPANT);
    assert_eq!(states(&world, waiting), [AttendeeState::Away]);
    let moderator = world.join(MODERATOR);
    let listener = world.join(LISTENER);
    world.run(secs(2));
    let room = world.bridge.session_of(moderator).unwrap();
    let attendance = world.bridge.attendance(room, 2).unwrap();
    assert_eq!((attendance.count, attendance.name.as_str()), (3, "Weekly"));
    let roles: Vec<Role> = attendance.members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Participant, Role::Moderator], "the first two in order");
    assert_eq!(attendance.members[0].number.as_deref(), Some("1416•••••00"));
    let (talking, muted, away) =
        (AttendeeState::Talking, AttendeeState::Muted, AttendeeState::Away);
    assert_eq!(states(&world, moderator), [talking, talking, muted]);
    assert!(changed(&mut world, room));
    world.press(waiting, "*6");
    assert!(changed(&mut world, room));
    assert_eq!(states(&world, moderator), [muted, talking, muted]);
    world.input(Input::Held { call: waiting, held: true });
    assert!(changed(&mut world, room));
    world.press(moderator, "*1");
    assert_eq!(states(&world, listener), [away, away, muted]);
    assert!(changed(&mut world, room));
    world.bye(listener);
    assert!(changed(&mut world, room));
    assert_eq!(states(&world, moderator).len(), 2);
    assert_eq!(world.bridge.session_of(listener), None);
}

#[test]
fn who_has_given_no_passcode_is_in_no_conference() {
    let mut world = World::new();
    world.join(MODERATOR);
    let caller = world.call();
    world.run(secs(1));
    assert_eq!(world.bridge.session_of(caller), None);
    assert_eq!(world.bridge.attendance(SessionId(99), 9), None);
}
