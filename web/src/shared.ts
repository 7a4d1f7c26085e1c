// What the frame and most pages use. build.mjs has every entry point import this, so that it is one file, which comes with the first load: as some twenty
// files of a few hundred bytes, one for each set of pages that shares them, it compresses badly.
import "./api/fields";
import "./api/map";
import "./api/query";
import "./api/query_text";
import "./api/rows";
import "./api/saved";
import "./api/series";
import "./app/shell";
import "./kit/color";
import "./kit/combobox";
import "./kit/filter_box";
import "./kit/markers";
import "./kit/question_link";
import "./kit/table";
import "./kit/use_data";
