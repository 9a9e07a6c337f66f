//! Keeping this node registered with this host's epmd.
//! Imports: dist, epmd_server.
//!
//! The rules are `Registrar`'s; this carries out its actions.

use super::epmd_server;
use crate::base::clock::Clock;
use crate::dist::epmd::client::RegisterError;
use crate::dist::epmd::{Action, Event, Registrar};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// What the keeper has to tell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Lost,
    Renewed,
    Serving(u16),
}

pub(super) type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

pub(super) struct Keeper {
    pub clock: Clock,
    pub port: u16,
    /// Where an epmd of our own would listen; `None`: on every address.
    pub address: Option<IpAddr>,
    pub notify: Notify,
}

const CONNECT: Duration = Duration::from_secs(5);

impl Keeper {
    fn now(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// Registers, tells `first` how it went, and keeps the registration as long as the runtime lives.
    pub async fn keep(self, mut registrar: Registrar, first: oneshot::Sender<Result<u32, RegisterError>>) {
        let mut first = Some(first);
        let mut stream: Option<TcpStream> = None;
        let mut wake = None;
        let mut todo: VecDeque<Action> = registrar.start(self.now()).into();
        loop {
            while let Some(action) = todo.pop_front() {
                let event = match action {
                    Action::Connect => match self.connect().await {
                        Some(s) => {
                            stream = Some(s);
                            Some(Event::Connected)
                        }
                        None => Some(Event::ConnectFailed),
                    },
                    Action::StartServer => {
                        match epmd_server::start(self.address, self.port, self.clock.clone()).await {
                            Ok(()) => {
                                (self.notify)(Notice::Serving(self.port));
                                Some(Event::ServerStarted)
                            }
                            Err(_) => Some(Event::ServerFailed),
                        }
                    }
                    Action::Send(bytes) => match &mut stream {
                        Some(s) => s.write_all(&bytes).await.err().map(|_| Event::Closed),
                        None => Some(Event::Closed),
                    },
                    Action::Close => {
                        stream = None;
                        None
                    }
                    Action::Wake(at) => {
                        wake = Some(at);
                        None
                    }
                    Action::Sleep => {
                        wake = None;
                        None
                    }
                    Action::Registered(creation) => {
                        if let Some(first) = first.take() {
                            let _ = first.send(Ok(creation));
                        }
                        None
                    }
                    Action::Failed(e) => {
                        if let Some(first) = first.take() {
                            let _ = first.send(Err(e));
                        }
                        return;
                    }
                    Action::Lost => {
                        (self.notify)(Notice::Lost);
                        None
                    }
                    Action::Renewed => {
                        (self.notify)(Notice::Renewed);
                        None
                    }
                };
                if let Some(event) = event {
                    todo.extend(registrar.on(event, self.now()));
                }
            }
            let left = wake.map_or(3_600_000, |at: u64| at.saturating_sub(self.now()));
            let event = tokio::select! {
                event = read(&mut stream) => event,
                () = sleep(Duration::from_millis(left)) => {
                    if wake.is_none() {
                        continue;
                    }
                    Event::Timer
                }
            };
            if event == Event::Closed {
                stream = None;
            }
            todo.extend(registrar.on(event, self.now()));
        }
    }

    /// epmd always listens on loopback.
    async fn connect(&self) -> Option<TcpStream> {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            if let Ok(Ok(s)) = timeout(CONNECT, TcpStream::connect(SocketAddr::new(ip, self.port))).await {
                return Some(s);
            }
        }
        None
    }
}

async fn read(stream: &mut Option<TcpStream>) -> Event {
    let Some(s) = stream else { return std::future::pending().await };
    let mut buffer = [0; 256];
    match s.read(&mut buffer).await {
        Ok(n) if n > 0 => Event::Bytes(buffer[..n].to_vec()),
        _ => Event::Closed,
    }
}
