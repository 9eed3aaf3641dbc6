//! What synthetic records are made of: regions and their districts, syllables of names, streets,
//! who holds what, how common a type is. None of it describes a real person, company or address.

/// A picture of 8 by 8 grey squares, PNG in base64, in the place of every photograph.
pub const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAE0lEQVR42mM48w4CGaD0GQayRADFsTdBC4o+uwAAAABJRU5ErkJggg==";

/// What the generator knows of a region.
pub struct RegionData {
    pub code: &'static str,
    /// The province-level name, put before authorities.
    pub name: &'static str,
    /// Put before companies.
    pub short_name: &'static str,
    /// The one-character name on plates and in numbers.
    pub letter: &'static str,
    /// Real area codes, with the district's name.
    pub districts: [(&'static str, &'static str); 16],
}

pub const REGIONS: [RegionData; 3] = [
    RegionData {
        code: "120000",
        name: "天津市",
        short_name: "天津",
        letter: "津",
        districts: [
            ("120101", "和平区"),
            ("120102", "河东区"),
            ("120103", "河西区"),
            ("120104", "南开区"),
            ("120105", "河北区"),
            ("120106", "红桥区"),
            ("120110", "东丽区"),
            ("120111", "西青区"),
            ("120112", "津南区"),
            ("120113", "北辰区"),
            ("120114", "武清区"),
            ("120115", "宝坻区"),
            ("120116", "滨海新区"),
            ("120117", "宁河区"),
            ("120118", "静海区"),
            ("120119", "蓟州区"),
        ],
    },
    RegionData {
        code: "110000",
        name: "北京市",
        short_name: "北京",
        letter: "京",
        districts: [
            ("110101", "东城区"),
            ("110102", "西城区"),
            ("110105", "朝阳区"),
            ("110106", "丰台区"),
            ("110107", "石景山区"),
            ("110108", "海淀区"),
            ("110109", "门头沟区"),
            ("110111", "房山区"),
            ("110112", "通州区"),
            ("110113", "顺义区"),
            ("110114", "昌平区"),
            ("110115", "大兴区"),
            ("110116", "怀柔区"),
            ("110117", "平谷区"),
            ("110118", "密云区"),
            ("110119", "延庆区"),
        ],
    },
    RegionData {
        code: "130000",
        name: "河北省",
        short_name: "河北",
        letter: "冀",
        districts: [
            ("130102", "石家庄市长安区"),
            ("130104", "石家庄市桥西区"),
            ("130105", "石家庄市新华区"),
            ("130108", "石家庄市裕华区"),
            ("130202", "唐山市路南区"),
            ("130203", "唐山市路北区"),
            ("130302", "秦皇岛市海港区"),
            ("130402", "邯郸市邯山区"),
            ("130502", "邢台市襄都区"),
            ("130602", "保定市竞秀区"),
            ("130606", "保定市莲池区"),
            ("130702", "张家口市桥东区"),
            ("130802", "承德市双桥区"),
            ("130902", "沧州市新华区"),
            ("131002", "廊坊市安次区"),
            ("131102", "衡水市桃城区"),
        ],
    },
];

/// Surnames, with how often each occurs: in units of 1/10,000 of the people, roughly as the Ministry
/// of Public Security reported the commonest hundred.
pub const SURNAMES: [(&str, u64); 103] = [
    ("王", 794),
    ("李", 741),
    ("张", 707),
    ("刘", 538),
    ("陈", 453),
    ("杨", 308),
    ("赵", 229),
    ("黄", 223),
    ("周", 212),
    ("吴", 205),
    ("徐", 167),
    ("孙", 154),
    ("胡", 131),
    ("朱", 126),
    ("高", 121),
    ("林", 118),
    ("何", 117),
    ("郭", 115),
    ("马", 105),
    ("罗", 95),
    ("梁", 84),
    ("宋", 81),
    ("郑", 78),
    ("谢", 76),
    ("韩", 68),
    ("唐", 65),
    ("冯", 64),
    ("于", 62),
    ("董", 61),
    ("萧", 59),
    ("程", 57),
    ("曹", 57),
    ("袁", 54),
    ("邓", 54),
    ("许", 54),
    ("傅", 51),
    ("沈", 50),
    ("曾", 50),
    ("彭", 49),
    ("吕", 47),
    ("苏", 47),
    ("卢", 47),
    ("蒋", 47),
    ("蔡", 46),
    ("魏", 45),
    ("贾", 42),
    ("丁", 43),
    ("薛", 42),
    ("叶", 42),
    ("阎", 42),
    ("余", 41),
    ("潘", 41),
    ("杜", 40),
    ("戴", 39),
    ("夏", 37),
    ("钟", 37),
    ("汪", 36),
    ("田", 36),
    ("任", 36),
    ("姜", 35),
    ("范", 35),
    ("方", 34),
    ("石", 34),
    ("姚", 33),
    ("谭", 33),
    ("廖", 32),
    ("邹", 32),
    ("熊", 31),
    ("金", 31),
    ("陆", 31),
    ("郝", 30),
    ("孔", 30),
    ("白", 30),
    ("崔", 29),
    ("康", 29),
    ("毛", 28),
    ("邱", 28),
    ("秦", 28),
    ("江", 27),
    ("史", 26),
    ("顾", 26),
    ("侯", 25),
    ("邵", 25),
    ("孟", 25),
    ("龙", 24),
    ("万", 24),
    ("段", 23),
    ("雷", 23),
    ("钱", 22),
    ("汤", 22),
    ("尹", 21),
    ("黎", 20),
    ("易", 20),
    ("常", 20),
    ("武", 19),
    ("乔", 19),
    ("贺", 19),
    ("赖", 18),
    ("龚", 18),
    ("文", 17),
    ("欧阳", 9),
    ("上官", 2),
    ("诸葛", 1),
];

/// Characters of given names, by whom they are mostly given to.
pub const MALE_GIVEN: [&str; 50] = [
    "伟", "强", "磊", "军", "勇", "杰", "涛", "超", "鹏", "辉", "刚", "健", "斌", "波", "峰", "浩", "凯",
    "飞", "龙", "建", "国", "志", "东", "海", "洋", "宇", "轩", "博", "航", "启", "远", "树", "立", "诚",
    "泽", "楷", "景", "行", "章", "毅", "震", "坤", "昊", "岩", "川", "松", "柏", "山", "铭", "锋",
];

pub const FEMALE_GIVEN: [&str; 50] = [
    "芳", "娜", "敏", "静", "丽", "艳", "娟", "霞", "秀", "英", "玲", "燕", "红", "婷", "雪", "梅", "琳",
    "慧", "颖", "洁", "倩", "莹", "萍", "蓉", "薇", "佳", "欣", "怡", "梦", "瑶", "嫣", "姝", "桐", "溪",
    "若", "雨", "涵", "诗", "琪", "妍", "黛", "芸", "兰", "菊", "春", "秋", "月", "云", "岚", "苓",
];

pub const SHARED_GIVEN: [&str; 35] = [
    "明", "文", "华", "平", "晨", "宁", "安", "然", "乐", "知", "微", "子", "嘉", "清", "和", "思", "齐",
    "语", "书", "帆", "晓", "新", "成", "玉", "金", "庆", "永", "学", "世", "家", "少", "一", "心", "天",
    "光",
];

/// Two of these make the name of a company.
pub const BRANDS: [&str; 64] = [
    "海", "蓝", "启", "明", "和", "润", "青", "禾", "云", "帆", "恒", "远", "嘉", "木", "新", "程", "泽",
    "丰", "安", "澜", "同", "舟", "聚", "源", "宏", "图", "瑞", "金", "穗", "天", "工", "百", "川", "晨",
    "曦", "景", "汇", "智", "通", "达", "合", "众", "星", "河", "盛", "泰", "隆", "昌", "兴", "旺", "鑫",
    "博", "雅", "朗", "卓", "越", "正", "信", "诚", "康", "宝", "利", "华", "宇",
];

/// What a company does.
pub const TRADES: [&str; 30] = [
    "科技",
    "商贸",
    "食品",
    "餐饮管理",
    "物流",
    "建筑工程",
    "医药",
    "物业服务",
    "文化传播",
    "农业发展",
    "机械制造",
    "环保工程",
    "信息技术",
    "教育咨询",
    "汽车服务",
    "旅行社",
    "电子商务",
    "供应链管理",
    "装饰工程",
    "新材料",
    "生物技术",
    "人力资源",
    "广告传媒",
    "仓储服务",
    "医疗器械",
    "五金制品",
    "服装",
    "家具",
    "能源",
    "检测技术",
];

/// What a shop of one owner is called after its name.
pub const SHOPS: [&str; 20] = [
    "便利店",
    "超市",
    "小吃店",
    "面馆",
    "饭店",
    "理发店",
    "服装店",
    "五金店",
    "药店",
    "水果店",
    "茶行",
    "烟酒行",
    "维修部",
    "经营部",
    "花店",
    "书店",
    "早点铺",
    "粮油店",
    "汽配店",
    "建材店",
];

pub const STREETS: [&str; 16] = [
    "示例路",
    "样本道",
    "演示街",
    "测试里",
    "示例大街",
    "样本路",
    "演示道",
    "测试街",
    "示例一路",
    "样本二道",
    "演示北路",
    "测试南道",
    "示例东街",
    "样本西里",
    "演示中路",
    "测试园路",
];

/// Estates in addresses.
pub const ESTATES: [&str; 12] = [
    "示例家园",
    "样本花园",
    "演示新村",
    "测试公寓",
    "示例里",
    "样本嘉园",
    "演示小区",
    "测试苑",
    "示例新城",
    "样本东里",
    "演示名邸",
    "测试雅居",
];

/// Who holds licences: a share of the holders, what each of them has, and what else they may have.
pub struct ClassData {
    /// Of a thousand holders.
    pub share: u64,
    pub form: Form,
    /// The type that each has.
    pub anchor: &'static str,
    /// Types that no other class has, though the catalogue allows it.
    pub own: &'static [&'static str],
    /// The only types they have, or none for all that the catalogue allows.
    pub only: &'static [&'static str],
}

/// What kind of holder.
#[derive(Clone, Copy)]
pub enum Form {
    /// Born on one of so many days from a first one (days since 1970-01-01). The ranges of two
    /// classes have no day in common, so two persons of different classes never have one number.
    Person { first_birth: i64, birth_days: u64 },
    /// Beginning of the unified social credit code, and end of the name.
    Organisation { prefix: &'static str, ending: &'static str },
    /// 个体工商户
    Shop,
}

/// Types that any organisation may come to have.
const COMMON_LEGAL: [&str; 8] = [
    "税收完税证明",
    "无欠税证明",
    "中华人民共和国不动产权证书",
    "机动车行驶证",
    "机动车登记证书",
    "特种设备使用登记证",
    "公共场所卫生许可证",
    "网络安全等级保护备案证明",
];

/// The first is who holds a personal licence of no special class, the fourth who holds one of an organisation.
pub const CLASSES: [ClassData; 12] = [
    // 1966 to 2005
    ClassData {
        share: 587,
        form: Form::Person { first_birth: -1_461, birth_days: 14_610 },
        anchor: "居民身份证",
        own: &[],
        only: &[],
    },
    // 1936 to 1965: sixty years old by 2025
    ClassData {
        share: 110,
        form: Form::Person { first_birth: -12_419, birth_days: 10_958 },
        anchor: "居民身份证",
        own: &["退休证", "天津市老年人优待证", "居民死亡医学证明（推断）书"],
        only: &[],
    },
    // 2006 to 2025
    ClassData {
        share: 50,
        form: Form::Person { first_birth: 13_149, birth_days: 7_305 },
        anchor: "出生医学证明",
        own: &["预防接种证"],
        only: &[
            "居民户口簿",
            "医保电子凭证",
            "社会保障卡",
            "居民身份证",
            "中华人民共和国普通护照",
            "往来港澳通行证",
        ],
    },
    ClassData {
        share: 150,
        form: Form::Organisation { prefix: "91", ending: "有限公司" },
        anchor: "营业执照",
        own: &[],
        only: &[],
    },
    ClassData {
        share: 80,
        form: Form::Shop,
        anchor: "营业执照",
        own: &[],
        only: &[
            "食品经营许可证",
            "烟草专卖零售许可证",
            "公共场所卫生许可证",
            "税收完税证明",
            "机动车行驶证",
            "道路运输证",
            "道路运输经营许可证",
            "仅销售预包装食品备案凭证",
            "食品小作坊登记证",
            "出版物经营许可证",
            "无欠税证明",
        ],
    },
    organisations(8, "12", "服务中心", "事业单位法人证书"),
    organisations(5, "51", "协会", "社会团体法人登记证书"),
    organisations(5, "52", "服务站", "民办非企业单位登记证书"),
    organisations(1, "53", "基金会", "基金会法人登记证书"),
    organisations(2, "54", "村民委员会", "基层群众性自治组织特别法人统一社会信用代码证书"),
    organisations(1, "31", "律师事务所", "律师事务所执业许可证"),
    organisations(1, "32", "公证处", "公证机构执业证"),
];

const fn organisations(
    share: u64,
    prefix: &'static str,
    ending: &'static str,
    anchor: &'static str,
) -> ClassData {
    ClassData { share, form: Form::Organisation { prefix, ending }, anchor, own: &[], only: &COMMON_LEGAL }
}

/// How much more often than the rest a type is held: among what holders have beside the one that
/// each of their class has. A type that is not here weighs 16 to 2,048.
pub const COMMON_TYPES: [(&str, u64); 40] = [
    ("居民身份证", 150_000),
    ("社会保障卡", 190_000),
    ("医保电子凭证", 150_000),
    ("机动车驾驶证", 150_000),
    ("机动车行驶证", 120_000),
    ("居民户口簿", 100_000),
    ("中华人民共和国不动产权证书", 100_000),
    ("结婚证", 90_000),
    ("税收完税证明", 90_000),
    ("退休证", 60_000),
    ("天津市老年人优待证", 40_000),
    ("预防接种证", 150_000),
    ("中华人民共和国普通护照", 14_000),
    ("食品经营许可证", 40_000),
    ("住房公积金缴存证明", 12_000),
    ("往来港澳通行证", 9_000),
    ("普通高等学校毕业证书", 14_000),
    ("学位证书", 8_000),
    ("居住证", 7_000),
    ("天津市居住证", 4_000),
    ("离婚证", 5_000),
    ("机动车登记证书", 8_000),
    ("契税完税凭证", 5_000),
    ("职业技能等级证书", 6_000),
    ("特种作业操作证", 5_000),
    ("社会保险个人参保证明", 6_000),
    ("个人所得税纳税记录", 8_000),
    ("道路运输从业人员从业资格证", 3_000),
    ("道路运输证", 8_000),
    ("烟草专卖零售许可证", 20_000),
    ("公共场所卫生许可证", 9_000),
    ("中华人民共和国残疾人证", 2_500),
    ("居民死亡医学证明（推断）书", 3_000),
    ("教师资格证书", 2_500),
    ("护士执业证书", 2_000),
    ("医师执业证书", 1_500),
    ("无欠税证明", 4_000),
    ("建筑业企业资质证书", 3_000),
    ("特种设备使用登记证", 4_000),
    ("医疗机构执业许可证", 2_500),
];
