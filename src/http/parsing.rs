//! Where the parameters of a request are parsed.

use headwater_engine::query::ListParameter;

use super::answer_scheduler::Answers;
use super::source::Source;
use crate::wire::ApiError;

/// The decoded parameters of a request.
pub(super) type Pairs = [(String, String)];

/// Parses parameters with `parse`: here, unless there is a filter. To compile its patterns takes
/// milliseconds, which would keep others waiting, so a filter is parsed in a place for answers.
///
/// # Errors
/// What `parse` returns; 503 if no place gets free in time.
pub(super) async fn parsed<T: Send + 'static>(
    answers: &Answers,
    source: Source,
    pairs: &Pairs,
    parse: impl FnOnce(&Pairs) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let is_filter = |(name, _): &(String, String)| *name == ListParameter::Filter.name();
    if !pairs.iter().any(is_filter) {
        return parse(pairs);
    }
    let pairs = pairs.to_vec();
    answers.make(source, move |_| parse(&pairs)).await
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::thread;

    use super::super::waiter_limit::WaiterLimit;
    use super::*;

    #[tokio::test]
    async fn a_filter_is_parsed_where_answers_are_made_and_the_rest_at_once() {
        let answers = Answers::new(None, WaiterLimit::default());
        let source = Source::at(Ipv4Addr::LOCALHOST.into());
        for (name, is_here) in [("stage", true), ("sort", true), ("filter", false)] {
            let pairs = [("perPage".to_owned(), "5".to_owned()), (name.to_owned(), String::new())];
            let parse = |pairs: &Pairs| Ok((pairs.to_vec(), thread::current().id()));
            let (parsed, thread) = parsed(&answers, source, &pairs, parse).await.unwrap();
            assert_eq!((parsed, thread == thread::current().id()), (pairs.to_vec(), is_here));
        }
    }
}
