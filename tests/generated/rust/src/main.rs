//! What openapi-generator makes of the document, in Rust.

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use headwater_generated::apis::Error as Refusal;
use headwater_generated::apis::configuration::Configuration;
use headwater_generated::apis::people_api::{PeopleApi, PeopleApiClient, PeopleGetParams};
use headwater_generated::apis::people_api::{PeopleListParams, PeoplePatchParams, PeoplePutParams};
use headwater_generated::apis::search_api::{SearchAllParams, SearchApi, SearchApiClient};
use headwater_generated::apis::writes_api::{WritesApi, WritesApiClient, WritesTransactParams};
use headwater_generated::models::WritesTransactRequestOperationsInner as Operation;
use headwater_generated::models::{
    DeleteOperation, People, PeopleList, PeoplePatch, PeopleWritten, PutOperation,
    WritesTransactRequest, delete_operation, put_operation,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Arc::new(Configuration {
        base_path: var("HEADWATER_ADDRESS")?,
        bearer_access_token: Some(var("HEADWATER_TOKEN")?),
        ..Configuration::default()
    });
    let people = PeopleApiClient::new(server.clone());

    // The generated functions cannot send the fields as parameters, but `filter` says the same.
    let query = PeopleListParams::builder().filter(r#"city == "Ems" && age >= 100"#.into());
    #[cfg(feature = "misspelt_parameter")]
    let query = query.srot(vec!["age".into()]);
    let query = query.sort(vec!["-age".into()]).per_page(5).build();
    let list = people.people_list(query.clone()).await?;
    assert_eq!(ages(&list), [248, 245, 242, 239, 236]);
    assert_eq!(list.total, 50);
    let second = PeopleListParams { page: Some(2), ..query };
    assert_eq!(ages(&people.people_list(second).await?).first(), Some(&233));
    #[cfg(feature = "misspelt_field")]
    let _ = &list.items[0].value.nmae;

    let narrow = PeopleListParams::builder().filter(r#"slug == "p007""#.into());
    let narrow = narrow.include(vec!["friend".into()]);
    let narrow = narrow.fields(vec!["slug".into(), "friend".into()]).build();
    let included = people.people_list(narrow).await?;
    assert_eq!(included.items[0].value.friend.as_deref(), Some("p006"));
    assert_eq!(included.items[0].value.name, None);

    let search = SearchApiClient::new(server.clone());
    let ferns = SearchAllParams::builder().q("ferns".into()).sheet(vec!["people".into()]).build();
    assert_eq!(search.search_all(ferns).await?.total, 5);

    let key = || "p007".to_owned();
    let read = people.people_get(PeopleGetParams::builder().key(key()).build()).await?;
    // The generated functions return no headers, so the same client asks for the tag.
    let address = format!("{}/api/people/p007", server.base_path);
    let tag = server.client.head(address).send().await?.headers()["etag"].to_str()?.to_owned();
    let person = People {
        bio: Some("by openapi-generator".into()),
        #[cfg(feature = "misspelt_body")]
        nmae: "Person 7".into(),
        ..read
    };
    let put = PeoplePutParams::builder().key(key()).people(person).if_match(tag.clone()).build();
    let written = people.people_put(put).await?;
    assert_eq!(bio(&written).as_deref(), Some("by openapi-generator"));
    let later = PeoplePatch { bio: Some(Some("later".into())), ..PeoplePatch::default() };
    let patch = PeoplePatchParams::builder().key(key()).people_patch(later).if_match(tag).build();
    let Err(Refusal::ResponseError(stale)) = people.people_patch(patch.clone()).await else {
        return Err("an old tag was accepted".into());
    };
    assert_eq!(stale.status, 412);
    assert!(stale.content.contains("\"precondition_failed\""), "{}", stale.content);
    let patched = people.people_patch(PeoplePatchParams { if_match: None, ..patch }).await?;
    assert_eq!(bio(&patched).as_deref(), Some("later"));

    let new = PutOperation {
        op: put_operation::Op::Put,
        sheet: "people".into(),
        key: "p900".into(),
        value: [("slug".into(), "p900".into()), ("name".into(), "New".into())].into(),
        if_match: None,
        if_none_match: None,
    };
    let old = DeleteOperation {
        op: delete_operation::Op::Delete,
        sheet: "people".into(),
        key: "p249".into(),
        if_match: None,
    };
    let both = vec![Operation::PutOperation(new), Operation::DeleteOperation(old)];
    let body = WritesTransactRequest::new(both);
    let transaction = WritesTransactParams::builder().writes_transact_request(body).build();
    let done = WritesApiClient::new(server).writes_transact(transaction).await?;
    assert_eq!(done.results.map(|results| results.len()), Some(2));
    println!("openapi-generator, Rust: done");
    Ok(())
}

fn ages(list: &PeopleList) -> Vec<i32> {
    list.items.iter().filter_map(|item| item.value.age).collect()
}

fn bio(written: &PeopleWritten) -> Option<String> {
    written.value.as_ref().and_then(|value| value.bio.clone())
}
