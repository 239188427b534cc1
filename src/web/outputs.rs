//! The outputs over HTTP: which there are, and changes to them while they play.
//!
//! In: names of outputs. Out: the list, or what is wrong with a change. Not: opening one (see `daemon::outputs`).

use super::Web;
use super::api::{Accepted, Problem};
use super::dto::OutputReport;
use crate::daemon::outputs::{OutputChange, OutputChangeError};
use crate::wishes::Switch;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is to become of an output: one of these, with its name.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChangeRequest {
    /// An output as `--to` has it, such as `midi:PORT`. Outputs that write files are named in the configuration alone.
    Add(String),
    /// It is closed and forgotten.
    Remove(String),
    /// It plays again.
    On(String),
    /// It is closed, and stays in the list.
    Off(String),
}

/// The outputs, in the order in which they were named.
#[utoipa::path(get, path = "/api/outputs", responses((status = 200, body = Vec<OutputReport>)))]
pub(super) async fn outputs(State(web): State<Arc<Web>>) -> Json<Vec<OutputReport>> {
    Json(web.handle.outputs().iter().map(OutputReport::of).collect())
}

/// Adds, removes or switches an output while the others play. One that is not there yet is looked for.
#[utoipa::path(post, path = "/api/outputs", request_body = ChangeRequest,
    responses((status = 200, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn change_outputs(
    State(web): State<Arc<Web>>,
    request: Result<Json<ChangeRequest>, JsonRejection>,
) -> Result<Json<Accepted>, Problem> {
    let Json(request) = request.map_err(|rejection| {
        let example = r#"write {"add": "midi:PORT"}, or remove, on, off"#;
        Problem::new(rejection.status(), example)
    })?;
    let change = match request {
        ChangeRequest::Add(name) => OutputChange::Add(name),
        ChangeRequest::Remove(name) => OutputChange::Remove(name),
        ChangeRequest::On(name) => OutputChange::Switch(name, Switch::On),
        ChangeRequest::Off(name) => OutputChange::Switch(name, Switch::Off),
    };
    web.handle.change_outputs(change).map_err(|error| {
        let status = match &error {
            OutputChangeError::NoSuch { .. } => StatusCode::NOT_FOUND,
            OutputChangeError::AlreadyThere(_) => StatusCode::CONFLICT,
            OutputChangeError::Unopened(_)
            | OutputChangeError::TooMany
            | OutputChangeError::Listeners => StatusCode::UNPROCESSABLE_ENTITY,
            OutputChangeError::NoOpener | OutputChangeError::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Problem::new(status, error.to_string())
    })?;
    Ok(Json(Accepted::new()))
}
