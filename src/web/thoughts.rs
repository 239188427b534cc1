//! Tells what the network thought of a tune, whoever wrote it.
//!
//! In: a tune. Out: each of its decisions with the odds that the model at hand gives it. Chooses and changes nothing.

use super::Web;
use super::api::{Problem, busy};
use crate::compose::shipped::LoadedModel;
use crate::compose::thoughts;
use crate::daemon::TuneRecord;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the network thought of a tune.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Thoughts {
    /// How far the numbers go, in words.
    about: &'static str,
    decisions: Vec<ThoughtReport>,
}

/// One decision of the network.
#[derive(Debug, Serialize, ToSchema)]
struct ThoughtReport {
    /// In which written bar, from 0.
    bar: usize,
    /// Which note or rest of the bar it is, from 0; null for what the whole bar is to be.
    note: Option<usize>,
    /// What came.
    chosen: String,
    /// What might have come, and how likely it was; shares of 1.
    odds: Vec<(String, f32)>,
}

/// Asks the model that is at hand what it thinks of a tune, whoever wrote it.
pub(super) async fn thoughts(web: &Arc<Web>, tune: Arc<TuneRecord>) -> Result<Thoughts, Problem> {
    let asker = Arc::clone(web);
    busy(move || {
        let broken = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error);
        let unthinkable = |error: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
        let (LoadedModel::Decisions(model), _) = (asker.muse)().map_err(broken)? else {
            let error = "a model of characters decides no notes";
            return Err(unthinkable(error.to_owned()));
        };
        let thoughts = thoughts::thoughts(&model, &tune.abc)
            .map_err(|error| unthinkable(format!("the network could not have written it: {error}")))?;
        let decisions = thoughts.into_iter().map(|thought| ThoughtReport {
            bar: thought.bar,
            note: thought.note,
            chosen: thought.chosen,
            odds: thought.odds,
        });
        Ok(Thoughts {
            about: "The odds that the network gave before each note; the draft was drawn from them, and judged.",
            decisions: decisions.collect(),
        })
    })
    .await
}
