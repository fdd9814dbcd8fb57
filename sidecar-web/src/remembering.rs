//! What Redis knows of all hosts is asked for beside the pages, so that while Redis is away a host
//! whose page nobody has opened yet is shown as it was.

use std::sync::Arc;
use std::time::Duration;

use site::Host;

use crate::app::App;
use crate::live::Live;

/// From one round over all hosts to the next.
const EACH: Duration = Duration::from_secs(300);

/// The same where Redis is away.
const AGAIN: Duration = Duration::from_secs(10);

/// Hosts asked for at once, and the pause until the next ones: pages come first.
const AT_ONCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Remembers what Redis knows of all hosts, at once and then again and again.
pub async fn remember_hosts(live: Live) {
    loop {
        let pause = if ask_all(&live.app()).await { EACH } else { AGAIN };
        tokio::time::sleep(pause).await;
    }
}

/// Whether Redis told of all.
async fn ask_all(app: &App) -> bool {
    let hosts: Vec<&Arc<Host>> = app.site.hosts().collect();
    for some in hosts.chunks(AT_ONCE) {
        if app.known(some).await.iter().any(|known| known.away.is_some()) {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}
