// What the theme leaves out for readers who use a keyboard or a screen reader. The theme emits document$ for each page.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  document.querySelector(".md-search__options")?.setAttribute("aria-label", "Clear the search");
  // Later than the theme, which then puts wide tables into parts that scroll.
  setTimeout(() => {
    for (const part of document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap")) part.tabIndex = 0;
  });
});
