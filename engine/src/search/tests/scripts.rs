//! Sentences in ten languages, none declared, and queries for their words and parts of them.

use super::*;

/// A sentence, and queries that find it: words and their beginnings where words are separated by
/// spaces, any part elsewhere.
const SENTENCES: [(&str, [&str; 4]); 30] = [
    // Chinese
    ("我们在城市里种了三千棵树。", ["城市", "三千棵", "种了", "树"]),
    ("数据库每天晚上都会自动备份。", ["数据库", "据库", "自动备份", "晚上"]),
    ("這個圖書館收藏了很多古老的地圖。", ["圖書館", "書館", "古老", "地圖"]),
    // Japanese
    ("東京の天気は明日も晴れるでしょう。", ["東京", "天気", "晴れる", "明日も"]),
    ("このプログラムはデータを毎時更新します。", ["プログラム", "データ", "ログラ", "更新"]),
    ("新しい橋は来年の春に完成する予定です。", ["新しい", "橋", "来年の春", "完成"]),
    // Korean
    (
        "우리는 도서관에서 데이터베이스를 공부했다.",
        ["도서관", "데이터베이스", "이터베", "공부했다"],
    ),
    ("서울의 지하철은 매우 편리하다.", ["서울", "지하철", "하철", "편리"]),
    ("오늘 저녁에 새로운 보고서가 발표된다.", ["보고서", "저녁", "새로운", "발표"]),
    // Thai
    ("น้ำท่วมทำให้ถนนหลายสายถูกปิด", ["น้ำท่วม", "ถนน", "หลายสาย", "ปิด"]),
    ("ห้องสมุดแห่งใหม่เปิดให้บริการแล้ว", ["ห้องสมุด", "เปิดให้", "บริการ", "ใหม่"]),
    ("ข้อมูลทั้งหมดถูกเก็บไว้ในคลังเดียว", ["ข้อมูล", "ทั้งหมด", "คลัง", "เก็บไว้"]),
    // Khmer
    ("ទីក្រុងភ្នំពេញមានសួនច្បារច្រើន", ["ភ្នំពេញ", "ទីក្រុង", "សួនច្បារ", "ច្រើន"]),
    ("ទិន្នន័យត្រូវបានរក្សាទុកជារៀងរាល់ថ្ងៃ", ["ទិន្នន័យ", "រក្សាទុក", "ថ្ងៃ", "រៀងរាល់"]),
    ("បណ្ណាល័យថ្មីនឹងបើកនៅខែក្រោយ", ["បណ្ណាល័យ", "ថ្មី", "ខែក្រោយ", "បើក"]),
    // Arabic
    ("تُنشر البيانات المفتوحة كل أسبوع.", ["البيانات", "المفتوحة", "تنشر", "أسبوع"]),
    ("المكتبة الجديدة في وسط المدينة.", ["المكتبة", "المدينة", "الجديد", "وسط"]),
    ("كَتَبَ أحمد تقريرا عن الأشجار.", ["كتب", "احمد", "تقرير", "الأشجار"]),
    // Hebrew
    ("הספרייה החדשה נפתחה במרכז העיר.", ["הספרייה", "נפתחה", "העיר", "במרכז"]),
    ("שָׁלוֹם לכל הקוראים של האתר.", ["שלום", "הקוראים", "האתר", "הקורא"]),
    ("הנתונים מתעדכנים בכל לילה.", ["הנתונים", "מתעדכנים", "לילה", "מתעדכ"]),
    // Hindi
    ("हिन्दी में लिखी गई पुस्तकें यहाँ मिलती हैं।", ["हिन्दी", "पुस्तकें", "यहाँ", "पुस्त"]),
    ("शहर के पेड़ों की गिनती हर साल होती है।", ["शहर", "पेड़ों", "गिनती", "गिन"]),
    ("विद्यार्थियों ने नया कार्यक्रम बनाया।", ["विद्यार्थियों", "कार्यक्रम", "नया", "विद्यार्थी"]),
    // Greek
    ("Η βιβλιοθήκη της Αθήνας άνοιξε ξανά.", ["βιβλιοθήκη", "ΑΘΗΝΑΣ", "βιβλιοθηκη", "άνοιξε"]),
    ("Τα δεδομένα ενημερώνονται κάθε μέρα.", ["δεδομένα", "δεδομενα", "ενημερών", "κάθε"]),
    ("Ο νέος δρόμος φτάνει στη θάλασσα.", ["δρόμος", "δρομοσ", "θάλασσα", "νέος"]),
    // Vietnamese
    ("Tiếng Việt có nhiều dấu thanh.", ["tiếng việt", "tieng viet", "dấu thanh", "nhiều"]),
    ("Thư viện mới mở cửa vào tháng sau.", ["thư viện", "thu vien", "tháng sau", "mở cửa"]),
    ("Dữ liệu được cập nhật hằng ngày.", ["dữ liệu", "cập nhật", "du lieu", "hằng ngày"]),
];

#[test]
fn words_and_parts_of_thirty_sentences_in_ten_languages_are_found() {
    let corpus: Corpus = SENTENCES
        .iter()
        .enumerate()
        .map(|(n, (text, _))| {
            (name("s", &format!("{n:02}")), [Vec::new(), vec![(*text).to_owned()]])
        })
        .collect();
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let mut missed = Vec::new();
        for (n, (_, queries)) in SENTENCES.iter().enumerate() {
            let key = format!("{n:02}");
            for text in queries {
                let query = Query::parse(text).unwrap();
                let hits = index.search(&query, Scope::All, 0, 10, &Budget::unlimited()).unwrap();
                if hits.hits.iter().all(|hit| hit.name.key.as_str() != key) {
                    missed.push(text);
                }
            }
        }
        // For example, a Hindi stem that is not a prefix of its word is not found.
        assert!(missed.len() * 20 <= SENTENCES.len() * 4, "{missed:?}");
    }
}

#[test]
fn signs_and_emoji_are_told_apart() {
    let corpus = corpus(
        "a/c: C | x\na/cpp: C++ | x\na/csharp: C# | x\na/f: F | x\na/fsharp: F# | x
         a/net: .NET | x\na/node: Node.js | x\na/asp: ASP.NET Core | x\na/otter: otter 🦦 love | x",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        for (query, expected) in [
            ("C++", "a/cpp"),
            ("c#", "a/csharp"),
            ("F#", "a/fsharp"),
            (".net", "a/net"),
            ("node.js", "a/node"),
            ("nodejs", "a/node"),
            ("🦦", "a/otter"),
            ("asp.net", "a/asp"),
        ] {
            assert_eq!(found(&index, query), expected, "{query}");
        }
        let all = found(&index, "C");
        assert!(
            all.starts_with("a/c") && all.contains("a/cpp") && all.contains("a/csharp"),
            "{all}"
        );
    }
}
