//! Telephones and bridges behind routers that translate addresses, on IPv6 alone, and on both.
//!
//! Two of baresip register at a bridge of the case's own; the first calls the conference and has the
//! second called at its number. Both must hear each other, and be hung up on by the bridge.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::{self, Setup};

use crate::baresip::{SETTLED, TONES, enter};
use crate::child::{self, Running};
use crate::linphone::{Linphone, Login};
use crate::namespace::{Host, Nat, address};
use crate::phone::{Owner, Phone, Recording, WINDOW, wait, write_wav};
use crate::place::{self, DIAL_IN, MODERATOR, PARTICIPANT, Place};

const REALM: &str = "phones.example";
const PASSWORD: &str = "zanzibar";
const PATIENCE: Duration = Duration::from_secs(10);
/// One program of sipvicious.
const SCAN: Duration = Duration::from_secs(60);
/// A whole call of the PJSIP telephone.
const PJSIP_PATIENCE: Duration = Duration::from_secs(40);
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
    /// Further lines of the trunk.
    trunk: &'static str,
    /// How long the first telephone is silent before it has the second called.
    silence: Duration,
}

/// A telephone's host, its address there, and where it finds the bridge.
type Desk<'a> = (&'a Host, &'a str, &'a str);

/// Both telephones are behind one router, which forgets after 10 s of silence; the second is called after
/// longer than that.
///
/// # Errors
/// They do not hear each other.
pub(crate) fn phones_behind_nat(_: &Place, folder: &Path) -> Result<()> {
    let [bridge, router, home] = hosts(["bridge", "router", "home"])?;
    bridge.join(&router, ("eth0", &["203.0.113.2/24"]), ("wan", &["203.0.113.1/24"]))?;
    router.join(&home, ("lan", &["10.7.0.1/24"]), ("eth0", &["10.7.0.2/24"]))?;
    home.leave_by("10.7.0.1")?;
    router.translate(folder, Nat::Masquerade)?;
    router.forget_after(10)?;
    let site = Site {
        listen: &["203.0.113.2:5060"],
        sip: "",
        media: "address = \"203.0.113.2\"\n",
        sources: &["203.0.113.1/32"],
        trunk: "nat_keep_alive = \"5s\"\n",
        silence: Duration::from_secs(25),
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
        trunk: "",
        silence: Duration::ZERO,
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
        trunk: "",
        silence: Duration::ZERO,
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
        trunk: "",
        silence: Duration::ZERO,
    };
    let first: Desk<'_> = (&old, "203.0.113.9", "203.0.113.2:5060");
    let second: Desk<'_> = (&new, "2001:db8::9", "[2001:db8::2]:5060");
    talk(folder, &bridge, &site, [first, second])
}

/// How somebody calls while a baresip is in the conference.
struct Way {
    /// Names the folder; begins with the transport.
    name: &'static str,
    /// `media_encryption` of linphonec, `--srtp` of the PJSIP telephone.
    encryption: &'static str,
    /// What the log of linphonec has then.
    says: &'static str,
    /// More words for the PJSIP telephone.
    more: &'static [&'static str],
}

const fn way(name: &'static str, encryption: &'static str, says: &'static str) -> Way {
    Way { name, encryption, says, more: &[] }
}

/// How linphonec calls.
const LINPHONE: [Way; 4] = [
    way("udp", "none", ""),
    way("tcp", "none", ""),
    way("tls-sdes", "srtp", "AES"),
    way("udp-sdes", "srtp", "AES"),
];

/// How the PJSIP telephone calls.
const PJSIP: [Way; 4] = [
    Way { more: &["--prack", "require", "--timers", "require"], ..way("udp", "none", "") },
    way("tcp", "none", ""),
    way("tls-sdes", "require", ""),
    way("udp-sdes", "offer", ""),
];

/// linphonec calls in every way, one after the other, while a baresip is in the conference.
///
/// # Errors
/// The two do not hear each other.
pub(crate) fn linphone(_: &Place, folder: &Path) -> Result<()> {
    let [_, own] = TONES;
    visits(folder, &LINPHONE, |way, uri| {
        let user = USERS[1].name;
        let Way { name, encryption, .. } = *way;
        let login = Login { name, user, password: PASSWORD, realm: REALM, encryption, tone: own };
        let mut phone = Linphone::start(folder, &login)?;
        phone.call(uri)?;
        wait(Duration::from_secs(1));
        phone.key(&format!("{PARTICIPANT}#"))?;
        wait(SETTLED);
        let both_talk = Instant::now();
        wait(WINDOW);
        let heard = phone.hang_up()?;
        ensure!(Linphone::log_has(folder, name, way.says)?, "it did not encrypt: see its log");
        Ok((both_talk, heard))
    })
}

/// The same for PJSIP, which holds and resumes in each call.
///
/// # Errors
/// The two do not hear each other.
pub(crate) fn pjsip(_: &Place, folder: &Path) -> Result<()> {
    let [_, own] = TONES;
    visits(folder, &PJSIP, |way, uri| {
        let folder = folder.join(way.name);
        fs::create_dir(&folder)?;
        write_wav(&folder.join("tone.wav"), own)?;
        let transport = way.name.split('-').next().unwrap_or(way.name);
        let digits = format!("{PARTICIPANT}#");
        let mut command = Command::new(peers()?.join("bin/python"));
        command.arg(scripts().join("pjsip_phone.py")).current_dir(&folder);
        for (word, value) in [
            ("--uri", uri),
            ("--address", "203.0.113.9"),
            ("--transport", transport),
            ("--user", USERS[1].name),
            ("--password", PASSWORD),
            ("--realm", REALM),
            ("--digits", &digits),
            ("--tone", "tone.wav"),
            ("--record", "heard.wav"),
            ("--log", "pjsip.log"),
            ("--srtp", way.encryption),
        ] {
            command.args([word, value]);
        }
        let said = folder.join("said.log");
        let mut phone = Running::start("pjsip_phone.py", command.args(way.more), &said)?;
        let mut at = |word: &str| {
            child::until(PJSIP_PATIENCE, &format!("{word} of PJSIP"), || {
                let says = fs::read_to_string(&said)?.contains(word);
                ensure!(says || phone.is_up(), "PJSIP ended: see its log");
                Ok(says.then(Instant::now))
            })
        };
        let both_talk = at("TALK")?;
        at("RESUMED")?;
        let end = at("OVER")?;
        let status = phone.wait(PJSIP_PATIENCE)?;
        ensure!(status.success(), "PJSIP: {status}");
        Ok((both_talk, Recording::read(&folder.join("heard.wav"), end)?))
    })
}

/// JsSIP registers over a WebSocket, as a page of a browser does, and takes it back.
///
/// # Errors
/// It is refused, or is not known afterwards as it should be.
pub(crate) fn jssip(_: &Place, folder: &Path) -> Result<()> {
    let [host, world] = hosts(["bridge", "world"])?;
    let site = one_network(&host, &world)?;
    let bridge = set_up(folder, &host, &site)?;
    let running = host.inside(|| bridge.start())?;
    let said = folder.join("jssip.log");
    let mut phone = world.inside(|| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", peers()?.join("node_modules"));
        command.arg(scripts().join("jssip_phone.js"));
        command.args(["ws://203.0.113.2:5080", USERS[1].name, PASSWORD, REALM]);
        Running::start("jssip_phone.js", &mut command, &said)
    })?;
    registered(&host, &bridge, &USERS[1])?;
    let page = host.inside(|| bridge.run(&["user", "list", "--json"]))?;
    ensure!(page.contains("\"ws\""), "not by a WebSocket: {page}");
    let status = phone.wait(PATIENCE)?;
    ensure!(status.success() && fs::read_to_string(&said)?.contains("UNREGISTERED"), "{status}");
    child::until(PATIENCE, "end of the registration", || {
        let page = host.inside(|| bridge.run(&["user", "list", "--json"]))?;
        Ok((!page.contains("\"ws\"")).then_some(()))
    })?;
    let status = running.terminate()?;
    ensure!(status.success(), "the bridge: {status}");
    Ok(())
}

/// What of sipvicious is run: what answers SIP, which users there are, and a password.
const SCANS: [&[&str]; 4] = [
    &["svmap", "203.0.113.2"],
    &["svwar", "-m", "REGISTER", "-e", "100-120", "203.0.113.2"],
    &["svwar", "-m", "OPTIONS", "-e", "100-120", "203.0.113.2"],
    &["svcrack", "-u", "ben", "-r", "1000-1020", "203.0.113.2"],
];

/// sipvicious looks for the bridge, for users and for a password, from where telephones may call.
///
/// # Errors
/// It finds something, or the bridge does not say that it was there.
pub(crate) fn sipvicious(_: &Place, folder: &Path) -> Result<()> {
    let [host, world] = hosts(["bridge", "world"])?;
    let site = one_network(&host, &world)?;
    let bridge = set_up(folder, &host, &site)?;
    let running = host.inside(|| bridge.start())?;
    for (place, words) in SCANS.into_iter().enumerate() {
        let log = folder.join(format!("{place}-{}.log", words[0]));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("HOME", folder).current_dir(folder);
        let mut scan = world.inside(|| Running::start("sipvicious", &mut command, &log))?;
        scan.wait(SCAN)?;
        let said = fs::read_to_string(&log)?;
        ensure!(said.contains("found nothing"), "{}: {}", words.join(" "), said.trim());
    }
    let metrics = host.inside(|| bridge.metrics())?;
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix("partyline_offences_total{offence=\"scan\"} ")?.parse::<u32>().ok()
    });
    ensure!(counted.is_some_and(|count| count >= 4), "scans counted: {counted:?}");
    let status = running.terminate()?;
    ensure!(status.success(), "the bridge: {status}");
    ensure!(bridge.legs()?.is_empty(), "a scan has left a record");
    Ok(())
}

/// Somebody calls in each of these ways, one after the other, while a baresip is in the conference.
fn visits(
    folder: &Path,
    ways: &[Way],
    visit: impl Fn(&Way, &str) -> Result<(Instant, Recording)> + Sync,
) -> Result<()> {
    let [host, world] = hosts(["bridge", "world"])?;
    let site = one_network(&host, &world)?;
    let bridge = set_up(folder, &host, &site)?;
    let running = host.inside(|| bridge.start())?;
    let desk: Desk<'_> = (&world, "203.0.113.9", "203.0.113.2:5060");
    let mut anna = phone(folder, (desk, &USERS[0], 0))?;
    registered(&host, &bridge, &USERS[0])?;
    anna.call(&format!("sip:{DIAL_IN}@{REALM}"))?;
    enter(&mut anna, MODERATOR)?;
    let [tone_1, tone_2] = TONES;
    let mut heard = Vec::new();
    for way in ways {
        let name = way.name;
        let (port, by) = match name.split('-').next() {
            Some("tls") => (5061, ";transport=tls"),
            Some("tcp") => (5060, ";transport=tcp"),
            Some(_) | None => (5060, ""),
        };
        let uri = format!("sip:{DIAL_IN}@203.0.113.2:{port}{by}");
        let (both_talk, recording) = world.inside(|| visit(way, &uri)).context(name)?;
        recording.hears(both_talk, tone_1, tone_2).context(name)?;
        heard.push((name, both_talk));
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
    ensure!(legs.len() == 1 + ways.len() && closed, "records: {legs:?}");
    Ok(())
}

/// The bridge and its callers in one network, by every transport.
fn one_network(host: &Host, world: &Host) -> Result<Site> {
    host.join(world, ("eth0", &["203.0.113.2/24"]), ("eth0", &["203.0.113.9/24"]))?;
    // linphonec asks which of its addresses leads out.
    world.leave_by("203.0.113.2")?;
    Ok(Site {
        listen: &["203.0.113.2:5060"],
        sip: "tcp = [\"203.0.113.2:5060\"]\ntls = [\"203.0.113.2:5061\"]\n\
              ws = [\"203.0.113.2:5080\"]\nws_origins = [\"https://pages.example\"]\n",
        media: "address = \"203.0.113.2\"\n",
        sources: &["203.0.113.9/32"],
        trunk: "",
        silence: Duration::ZERO,
    })
}

/// Where `make interop-more` has put what Debian does not have.
fn peers() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let peers = program.ancestors().nth(2).context("not in a target folder")?.join("peers");
    ensure!(peers.is_dir(), "{} is missing: run make interop-more", peers.display());
    Ok(peers)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/peers")
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
    wait(site.silence);
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
         sources = [{sources}]\nnumber_format = \"plain\"\n{trunk}\n{users}",
        data = setup.data().display(),
        folder = setup.folder().display(),
        listen = listed(site.listen),
        sip = site.sip,
        trunk = site.trunk,
        media = site.media,
        http = setup.http(),
        sources = listed(site.sources),
        users = USERS.iter().map(user).collect::<String>(),
    )
}
