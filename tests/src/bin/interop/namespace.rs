//! Hosts with networks of their own: Linux network namespaces, joined by pairs of virtual interfaces.
//! Nothing of them touches the machine's network, and they go when they are dropped.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns` keeps them.
const NAMES: &str = "/run/netns";

/// A host.
pub(crate) struct Host {
    name: String,
}

/// What NAT rules a host has towards `wan`, in the language of nft.
#[derive(Clone, Copy)]
pub(crate) enum Nat {
    /// Who is behind it leaves by its address and a random port.
    Masquerade,
    /// Masquerading, and these UDP ports of it lead to that host behind it.
    Forward(&'static str, &'static str),
}

impl Host {
    /// A host without a network.
    ///
    /// # Errors
    /// Not run as root, or the kernel has no namespaces.
    pub(crate) fn new(short: &str) -> Result<Self> {
        // Cases beside each other have hosts of the same names.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let host = Self { name: format!("partyline-{}-{number}-{short}", std::process::id()) };
        ip(&["netns", "add", &host.name])?;
        host.ip(&["link", "set", "lo", "up"])?;
        Ok(host)
    }

    /// Puts a cable between two hosts; `ours` and `theirs` are the names of its ends, each with its
    /// addresses.
    pub(crate) fn join(
        &self,
        other: &Self,
        ours: (&str, &[&str]),
        theirs: (&str, &[&str]),
    ) -> Result<()> {
        let peer = ["peer", "name", theirs.0, "netns", &other.name];
        let mut words = vec!["link", "add", ours.0, "type", "veth"];
        words.extend(peer);
        self.ip(&words)?;
        for (host, (end, addresses)) in [(self, ours), (other, theirs)] {
            for address in addresses {
                let mut words = vec!["address", "add", address, "dev", end];
                if address.contains(':') {
                    // Nobody else is there to have it.
                    words.push("nodad");
                }
                host.ip(&words)?;
            }
            host.ip(&["link", "set", end, "up"])?;
        }
        Ok(())
    }

    /// Sends what is for no network of its own to `gateway`.
    pub(crate) fn leave_by(&self, gateway: &str) -> Result<()> {
        self.ip(&["route", "add", "default", "via", gateway])
    }

    /// Makes a router of it that translates addresses.
    pub(crate) fn translate(&self, folder: &Path, nat: Nat) -> Result<()> {
        let forward = match nat {
            Nat::Masquerade => String::new(),
            Nat::Forward(ports, to) => format!(
                "chain in {{ type nat hook prerouting priority -100;\n\
                 iifname \"wan\" udp dport {{ {ports} }} dnat to {to}; }}\n"
            ),
        };
        let rules = folder.join("nat.nft");
        std::fs::write(
            &rules,
            format!(
                "table ip nat {{\n{forward}chain out {{ type nat hook postrouting priority 100;\n\
                 oifname \"wan\" masquerade fully-random; }}\n}}\n"
            ),
        )?;
        let rules = rules.display().to_string();
        self.run(&["nft", "-f", &rules])?;
        self.run(&["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    }

    /// As a router, forgets who is behind it after so many seconds without a datagram.
    pub(crate) fn forget_after(&self, seconds: u32) -> Result<()> {
        for kind in ["timeout", "timeout_stream"] {
            let setting = format!("net.netfilter.nf_conntrack_udp_{kind}={seconds}");
            self.run(&["sysctl", "-q", "-w", &setting])?;
        }
        Ok(())
    }

    /// Runs `work` there: its sockets, and the programs that it starts, are of this host.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let there = File::open(Path::new(NAMES).join(&self.name))?;
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("cannot enter a network namespace")?;
                work()
            });
            match thread.join() {
                Ok(result) => result,
                Err(_) => bail!("a thread in a network namespace panicked"),
            }
        })
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        let mut all = vec!["-n", &self.name];
        all.extend(words);
        ip(&all)
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let mut all = vec!["netns", "exec", &self.name];
        all.extend(words);
        ip(&all)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Left behind where this fails, without a process in it.
        ip(&["netns", "delete", &self.name]).unwrap_or_default();
    }
}

/// Whether this process may make network namespaces.
pub(crate) fn may_be_made() -> bool {
    rustix::process::geteuid().is_root()
}

/// An address that is given as text here.
pub(crate) fn address(text: &str) -> Result<IpAddr> {
    text.parse().with_context(|| format!("{text} is no address"))
}

fn ip(words: &[&str]) -> Result<()> {
    let done = Command::new("ip").args(words).stdin(Stdio::null()).output().context("ip")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "ip {}: {}", words.join(" "), said.trim());
    Ok(())
}
