//! Telephones and bridges behind routers that translate addresses, on IPv6 alone, and on both.
//!
//! Two of baresip register at a bridge of the case's own; the first calls the conference and has the
//! second called at its number. Both must hear each other, and be hung up on by the bridge.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::{self, Setup};

use crate::baresip::{SETTLED, TONES, enter};
use crate::child;
use crate::linphone::{Linphone, Login};
use crate::namespace::{Host, Nat, address};
use crate::phone::{Owner, Phone, WINDOW, wait};
use crate::place::{self, DIAL_IN, MODERATOR, PARTICIPANT, Place};

const REALM: &str = "phones.example";
const PASSWORD: &str = "zanzibar";
const PATIENCE: Duration = Duration::from_secs(10);
/// What is said to who is called, and to who called him, is over after this.
const SAID: Duration = Duration::from_secs(9);

/// A telephone.
struct User {
    name: &'static str,
    number: &'static str,
}

const USERS: [User; 2] =
    [User { name: "anna", number: "14165550181" }, User { name: "ben", number: "14165550182" }];

/// Where the bridge is, as its configuration says.
struct Site {
    /// What it listens on; telephones reach it where `reached` says.
    listen: &'static [&'static str],
    /// Further lines of `[sip]`.
    sip: &'static str,
    /// The lines of `[media]`.
    media: &'static str,
    /// The networks that calls come from.
    sources: &'static [&'static str],
}

/// A telephone's host, its address there, and where it finds the bridge.
type Desk<'a> = (&'a Host, &'a str, &'a str);

/// Both telephones are behind one router.
///
/// # Errors
/// They do not hear each other.
pub(crate) fn phones_behind_nat(_: &Place, folder: &Path) -> Result<()> {
    let [bridge, router, home] = hosts(["bridge", "router", "home"])?;
    bridge.join(&router, ("eth0", &["203.0.113.2/24"]), ("wan", &["203.0.113.1/24"]))?;
    router.join(&home, ("lan", &["10.7.0.1/24"]), ("eth0", &["10.7.0.2/24"]))?;
    home.leave_by("10.7.0.1")?;
    router.translate(folder, Nat::Masquerade)?;
    let site = Site {
        listen: &["203.0.113.2:5060"],
        sip: "",
        media: "address = \"203.0.113.2\"\n",
        sources: &["203.0.113.1/32"],
    };
    let desk: Desk<'_> = (&home, "10.7.0.2", "203.0.113.2:5060");
    talk(folder, &bridge, &site, [desk, desk])
}

/// The bridge is behind a router that lets its ports through.
///
/// # Errors
/// The telephones do not hear each other.
pub(crate) fn bridge_behind_nat(_: &Place, folder: &Path) -> Result<()> {
    let [bridge, router, world] = hosts(["bridge", "router", "world"])?;
    router.join(&bridge, ("lan", &["10.8.0.1/24"]), ("eth0", &["10.8.0.2/24"]))?;
    router.join(&world, ("wan", &["203.0.113.1/24"]), ("eth0", &["203.0.113.9/24"]))?;
    bridge.leave_by("10.8.0.1")?;
    router.translate(folder, Nat::Forward("5060, 20000-20099", "10.8.0.2"))?;
    let site = Site {
        listen: &["10.8.0.2:5060"],
        sip: "advertised = \"203.0.113.1:5060\"\n",
        media: "address = \"203.0.113.1\"\nbind = \"10.8.0.2\"\nports = \"20000-20099\"\n",
        sources: &["203.0.113.9/32"],
    };
    let desk: Desk<'_> = (&world, "203.0.113.9", "203.0.113.1:5060");
    talk(folder, &bridge, &site, [desk, desk])
}

/// There is no IPv4.
///
/// # Errors
/// The telephones do not hear each other.
pub(crate) fn ipv6_only(_: &Place, folder: &Path) -> Result<()> {
    let [bridge, world] = hosts(["bridge", "world"])?;
    bridge.join(&world, ("eth0", &["2001:db8::2/64"]), ("eth0", &["2001:db8::9/64"]))?;
    let site = Site {
        listen: &["[2001:db8::2]:5060"],
        sip: "",
        media: "address = \"2001:db8::2\"\n",
        sources: &["2001:db8::9/128"],
    };
    let desk: Desk<'_> = (&world, "2001:db8::9", "[2001:db8::2]:5060");
    talk(folder, &bridge, &site, [desk, desk])
}

/// The first telephone is on IPv4, the second on IPv6.
///
/// # Errors
/// They do not hear each other.
pub(crate) fn dual_stack(_: &Place, folder: &Path) -> Result<()> {
    let [bridge, old, new] = hosts(["bridge", "old", "new"])?;
    bridge.join(&old, ("eth0", &["203.0.113.2/24"]), ("eth0", &["203.0.113.9/24"]))?;
    bridge.join(&new, ("eth1", &["2001:db8::2/64"]), ("eth0", &["2001:db8::9/64"]))?;
    let site = Site {
        listen: &["203.0.113.2:5060", "[2001:db8::2]:5060"],
        sip: "",
        media: "address = [\"203.0.113.2\", \"2001:db8::2\"]\n",
        sources: &["203.0.113.9/32", "2001:db8::9/128"],
    };
    let first: Desk<'_> = (&old, "203.0.113.9", "203.0.113.2:5060");
    let second: Desk<'_> = (&new, "2001:db8::9", "[2001:db8::2]:5060");
    talk(folder, &bridge, &site, [first, second])
}

/// How linphonec calls: the parameter of the URI, its `media_encryption`, and what its log has then.
const WAYS: [(&str, &str, &str, &str); 4] = [
    ("udp", "", "none", ""),
    ("tcp", ";transport=tcp", "none", ""),
    ("tls-sdes", ";transport=tls", "srtp", "AES"),
    ("udp-sdes", "", "srtp", "AES"),
];

/// linphonec calls in every way, one after the other, while a baresip is in the conference.
///
/// # Errors
/// The two do not hear each other.
pub(crate) fn linphone(_: &Place, folder: &Path) -> Result<()> {
    let [host, world] = hosts(["bridge", "world"])?;
    host.join(&world, ("eth0", &["203.0.113.2/24"]), ("eth0", &["203.0.113.9/24"]))?;
    // It asks which of its addresses leads out.
    world.leave_by("203.0.113.2")?;
    let site = Site {
        listen: &["203.0.113.2:5060"],
        sip: "tcp = [\"203.0.113.2:5060\"]\ntls = [\"203.0.113.2:5061\"]\n",
        media: "address = \"203.0.113.2\"\n",
        sources: &["203.0.113.9/32"],
    };
    let bridge = set_up(folder, &host, &site)?;
    let running = host.inside(|| bridge.start())?;
    let desk: Desk<'_> = (&world, "203.0.113.9", "203.0.113.2:5060");
    let mut anna = phone(folder, (desk, &USERS[0], 0))?;
    registered(&host, &bridge, &USERS[0])?;
    anna.call(&format!("sip:{DIAL_IN}@{REALM}"))?;
    enter(&mut anna, MODERATOR)?;
    let [tone_1, tone_2] = TONES;
    let mut heard = Vec::new();
    for (name, by, encryption, words) in WAYS {
        let port = if name.starts_with("tls") { 5061 } else { 5060 };
        let both_talk = world.inside(|| {
            let mut phone = Linphone::start(
                folder,
                &Login {
                    name,
                    user: USERS[1].name,
                    password: PASSWORD,
                    realm: REALM,
                    encryption,
                    tone: tone_2,
                },
            )?;
            phone.call(&format!("sip:{DIAL_IN}@203.0.113.2:{port}{by}"))?;
            wait(Duration::from_secs(1));
            phone.key(&format!("{PARTICIPANT}#"))?;
            wait(SETTLED);
            let both_talk = Instant::now();
            wait(WINDOW);
            phone.hang_up()?.hears(both_talk, tone_1, tone_2)?;
            Ok(both_talk)
        });
        heard.push((name, both_talk.context(name)?));
        let is_encrypted = Linphone::log_has(folder, name, words)?;
        ensure!(is_encrypted, "linphonec did not encrypt {name}: see its log");
        wait(SETTLED);
    }
    let anna = anna.hang_up()?;
    for (name, both_talk) in heard {
        anna.hears(both_talk, tone_2, tone_1).with_context(|| format!("anna, {name}"))?;
    }
    let status = running.terminate()?;
    ensure!(status.success(), "the bridge: {status}");
    let legs = bridge.legs()?;
    let closed = legs.iter().all(|leg| leg.is_closed());
    ensure!(legs.len() == 1 + WAYS.len() && closed, "records: {legs:?}");
    Ok(())
}

fn hosts<const N: usize>(names: [&str; N]) -> Result<[Host; N]> {
    let made = names.into_iter().map(Host::new).collect::<Result<Vec<_>>>()?;
    made.try_into().ok().context("a host for each name")
}

/// The first calls in and has the second called.
fn talk(folder: &Path, host: &Host, site: &Site, desks: [Desk<'_>; 2]) -> Result<()> {
    let bridge = set_up(folder, host, site)?;
    let running = host.inside(|| bridge.start())?;
    let phone = |index: usize| {
        let phone = phone(folder, (desks[index], &USERS[index], index))?;
        registered(host, &bridge, &USERS[index])?;
        Ok::<_, anyhow::Error>(phone)
    };
    let (mut anna, mut ben) = (phone(0)?, phone(1)?);
    anna.call(&format!("sip:{DIAL_IN}@{REALM}"))?;
    enter(&mut anna, MODERATOR)?;
    wait(SETTLED);
    anna.key("*1")?;
    wait(Duration::from_secs(1));
    anna.key(&format!("{}#", USERS[1].number))?;
    ben.event("CALL_ESTABLISHED")?;
    wait(SAID);
    let both_talk = Instant::now();
    wait(WINDOW);
    // The drain hangs up: its BYE has to come to where each telephone is.
    let status = running.terminate()?;
    ensure!(status.success(), "the bridge: {status}");
    let (anna, ben) = (anna.await_end()?, ben.await_end()?);
    let [tone_1, tone_2] = TONES;
    anna.hears(both_talk, tone_2, tone_1).context("anna")?;
    ben.hears(both_talk, tone_1, tone_2).context("ben")?;
    let legs = bridge.legs()?;
    ensure!(legs.len() == 2 && legs.iter().all(|leg| leg.is_closed()), "records: {legs:?}");
    Ok(())
}

/// A bridge on `host`, with its users and their passwords.
fn set_up(folder: &Path, host: &Host, site: &Site) -> Result<Setup> {
    let ip = site.listen.first().context("the bridge listens nowhere")?;
    let ip = ip.parse::<SocketAddr>()?.ip();
    let bridge = host.inside(|| {
        Setup::configured(&folder.join("bridge"), ip, bridge::program()?, |setup| toml(setup, site))
    })?;
    for user in USERS {
        let file = bridge.folder().join(format!("{}.password", user.name));
        fs::write(&file, PASSWORD)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    }
    place::write_certificate(bridge.folder(), Ipv4Addr::new(203, 0, 113, 2))?;
    place::fill(&bridge)?;
    Ok(bridge)
}

fn phone(folder: &Path, (desk, user, index): (Desk<'_>, &User, usize)) -> Result<Phone> {
    let (host, at, reached) = desk;
    let owner = Owner {
        number: user.name,
        host: REALM.to_owned(),
        account: format!(
            ";auth_pass={PASSWORD};outbound=\"sip:{reached}\";regint=600;answermode=auto"
        ),
        tone: TONES[index],
        encryption: None,
    };
    let at = address(at)?;
    host.inside(|| Phone::start(at, folder, &owner))
}

/// Waits until a user can be reached at one place.
fn registered(host: &Host, bridge: &Setup, user: &User) -> Result<()> {
    let what = format!("registration of {}", user.name);
    child::until(PATIENCE, &what, || {
        let page = host.inside(|| bridge.run(&["user", "list", "--json"]))?;
        let page: serde_json::Value = serde_json::from_str(&page)?;
        let users = page["users"].as_array().context("no list of users")?;
        let his = users.iter().find(|known| known["name"] == user.name);
        let bindings = his.and_then(|known| known["bindings"].as_array());
        Ok(bindings.is_some_and(|list| list.len() == 1).then_some(()))
    })
}

fn toml(setup: &Setup, site: &Site) -> String {
    let listed = |list: &[&str]| {
        list.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ")
    };
    let user = |user: &User| {
        format!(
            "[[user]]\nname = \"{}\"\ntrunk = \"homes\"\nnumber = \"{}\"\n\
             password_file = \"{}/{}.password\"\n\n",
            user.name,
            user.number,
            setup.folder().display(),
            user.name
        )
    };
    format!(
        "[data]\ndir = \"{data}\"\n\n[sip]\nlisten = [{listen}]\n{sip}\
         certificate = \"{folder}/certificate.pem\"\nkey = \"{folder}/key.pem\"\n\n[media]\n{media}\n\
         [http]\nlisten = \"{http}\"\nallow_remote = true\n\n[log]\nfilter = \"debug,sqlx=info\"\n\n\
         [[trunk]]\nname = \"homes\"\ndomain = \"{REALM}\"\nkind = \"phones\"\nsrtp = \"preferred\"\n\
         sources = [{sources}]\nnumber_format = \"plain\"\n\n{users}",
        data = setup.data().display(),
        folder = setup.folder().display(),
        listen = listed(site.listen),
        sip = site.sip,
        media = site.media,
        http = setup.http(),
        sources = listed(site.sources),
        users = USERS.iter().map(user).collect::<String>(),
    )
}
