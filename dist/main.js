require("./index.js").runMain();
