//! `GET /api/servers?service=`: the hosts as text, one a line, for scripts.

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::error::PageError;
use crate::pages::list::selected_services;
use crate::parameters::Parameters;

/// `address hostname comments`, of one service or of all.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> Result<String, PageError> {
    let mut text = String::new();
    for host in selected_services(&app.site, parameters.get("service"))?
        .iter()
        .flat_map(|service| service.hosts())
    {
        for part in [&host.address, " ", &host.hostname, " ", &host.comments] {
            text.push_str(part);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    Ok(text)
}
