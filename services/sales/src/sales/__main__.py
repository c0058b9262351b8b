from kith.service import main
from sales.service import SERVICE

main(SERVICE)
